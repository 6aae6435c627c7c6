#!/bin/bash
# Starts the broker of docker-compose.yml; after a kill its controller runs alone first, as library/broker/after_kill.py
# says why: else a transaction that was committed just before the kill can stay hidden for ever. With three
# brokers another one leads meanwhile, and nothing of this is needed.
data=/var/lib/kafka/data
log=/tmp/controller.log

if [[ $KAFKA_CONTROLLER_QUORUM_VOTERS != *,* && -f $data/meta.properties && ! -f $data/.kafka_cleanshutdown ]]; then
  echo "the broker was killed: ending its old session first"
  (
    unset KAFKA_ADVERTISED_LISTENERS
    export KAFKA_PROCESS_ROLES=controller KAFKA_LISTENERS=CONTROLLER://:9093
    export KAFKA_BROKER_SESSION_TIMEOUT_MS=200 KAFKA_BROKER_HEARTBEAT_INTERVAL_MS=100
    exec /etc/kafka/docker/run
  ) >"$log" 2>&1 &
  alone=$!
  # 30 s to start, and then 2 s: where nothing was registered, no session ends
  active=
  for ((left = 150; left > 0; left--)); do
    if grep -q "session has timed out" "$log" || ! kill -0 "$alone" 2>/dev/null; then break; fi
    if [[ -z $active ]] && grep -q "Becoming the active controller" "$log"; then active=1 left=10; fi
    sleep 0.2
  done
  kill "$alone" 2>/dev/null
  wait "$alone"
fi
exec /etc/kafka/docker/run
