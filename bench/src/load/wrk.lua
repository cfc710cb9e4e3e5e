}

local number = 0

request = function()
  number = number % #requests + 1
  return requests[number]
end

-- With an argument, each connection waits between a response and its next request. The argument is
-- the
-- average time in milliseconds.
init = function(args)
  local pause = tonumber(args[1])
  if pause then
    delay = function()
      return math.random(1, 2 * pause - 1)
    end
  end
end

done = function(summary, latency)
  local failed = 0
  for _, count in pairs(summary.errors) do
    failed = failed + count
  end
  io.write(string.format("load: %d %d %d %d %d\n",
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99), failed))
end
