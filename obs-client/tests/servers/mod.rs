//! Servers that answer every connection with the same bytes, or badly.

use std::sync::Arc;

use rcgen::{CertificateParams, KeyPair};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpSocket, TcpStream},
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{ClientConfig, RootCertStore, ServerConfig, crypto::ring, pki_types::PrivatePkcs8KeyDer},
};

/// Installs the cryptography that reqwest uses.
pub(crate) fn install_crypto() {
    let _ = ring::default_provider().install_default();
}

/// Returns the URL of a port without a listener.
pub(crate) fn refusing() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    url(&listener.local_addr().expect("an address"))
}

/// A server that reads the head of a request, sends bytes and closes the connection.
pub(crate) async fn answering(response: &'static [u8]) -> String {
    serve(move |mut stream| async move {
        read_head(&mut stream).await;
        let _ = stream.write_all(response).await;
    })
    .await
}

/// A server that reads the head of a request, sends bytes and resets the connection. The client can
/// still read bytes that arrived before the reset.
pub(crate) async fn resetting(response: &'static [u8]) -> String {
    serve(move |mut stream| async move {
        read_head(&mut stream).await;
        let _ = stream.write_all(response).await;
        let _ = stream.set_zero_linger();
    })
    .await
}

/// A server that reads the head of a request, sends bytes and never closes the connection.
pub(crate) async fn silent(response: &'static [u8]) -> String {
    serve(move |mut stream| async move {
        read_head(&mut stream).await;
        let _ = stream.write_all(response).await;
        let _ = stream.read_to_end(&mut Vec::new()).await;
        std::future::pending::<()>().await;
    })
    .await
}

/// A TLS server whose certificate has another name, and a configuration that trusts its authority.
pub(crate) async fn tls_of_another_host() -> (String, ClientConfig) {
    let key = KeyPair::generate().expect("a key");
    let params = CertificateParams::new(vec!["other.example".to_owned()]).expect("a name");
    let certificate = params.self_signed(&key).expect("a certificate");
    let provider = Arc::new(ring::default_provider());
    let server = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
        )
        .expect("the key fits");
    let mut roots = RootCertStore::empty();
    roots.add(certificate.der().clone()).expect("a certificate");
    let client = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();

    let acceptor = TlsAcceptor::from(Arc::new(server));
    let url = serve(move |stream| {
        let acceptor = acceptor.clone();
        async move {
            let _ = acceptor.accept(stream).await;
        }
    })
    .await;
    (url.replace("http://127.0.0.1", "https://localhost"), client)
}

/// A listener whose queue of connections is full, so a client never connects.
pub(crate) struct FullQueue {
    pub(crate) url: String,
    _listener: TcpListener,
    _queued: Vec<TcpStream>,
}

impl FullQueue {
    pub(crate) async fn new() -> Self {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.bind(([127, 0, 0, 1], 0).into()).expect("a port");
        let listener = socket.listen(1).expect("a listener");
        let addr = listener.local_addr().expect("an address");
        let mut queued = Vec::new();
        let wait = std::time::Duration::from_millis(300);
        while let Ok(Ok(stream)) = tokio::time::timeout(wait, TcpStream::connect(addr)).await {
            queued.push(stream);
        }
        Self { url: url(&addr), _listener: listener, _queued: queued }
    }
}

async fn serve<F>(handle: impl Fn(TcpStream) -> F + Send + Sync + 'static) -> String
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = url(&listener.local_addr().expect("an address"));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(handle(stream));
        }
    });
    url
}

fn url(addr: &std::net::SocketAddr) -> String {
    format!("http://{addr}/")
}

async fn read_head(stream: &mut TcpStream) {
    let mut head = Vec::new();
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        match stream.read_buf(&mut head).await {
            Ok(0) | Err(_) => return,
            Ok(_) if head.starts_with(&[22]) => return, // a TLS handshake
            Ok(_) => {}
        }
    }
}
