-- Runs at every start, in SQLite and in PostgreSQL.
CREATE TABLE IF NOT EXISTS items (
    id BIGINT PRIMARY KEY,
    name TEXT NOT NULL,
    price_cents BIGINT NOT NULL
);

CREATE TABLE IF NOT EXISTS orders (
    id TEXT PRIMARY KEY,
    item_id BIGINT NOT NULL REFERENCES items (id),
    quantity BIGINT NOT NULL,
    total_cents BIGINT NOT NULL,
    payment_id TEXT NOT NULL
);

INSERT INTO items (id, name, price_cents) VALUES
    (1, 'teapot', 2990),
    (2, 'cup', 890),
    (3, 'tray', 1990),
    (4, 'kettle', 4990),
    (5, 'samovar', 99900)
ON CONFLICT (id) DO NOTHING;
