# nats-server reads changed certificates when it gets SIGHUP. After exec, it has this shell's number.
certificates() { cat /etc/nats-tls/*.crt | sha256sum; }
seen=$(certificates)
while sleep 10; do
  now=$(certificates)
  [ "$now" = "$seen" ] && continue
  seen=$now
  kill -HUP $$
done &
exec nats-server --config /etc/nats/nats.conf
