package library.bench;

import java.util.HashMap;
import java.util.Map;
import java.util.Properties;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.common.IsolationLevel;
import org.apache.kafka.streams.StreamsConfig;

/** What the program is run with, as {@code --name value} pairs. */
record Options(
    String kafka,
    String events,
    String application,
    String stateDir,
    boolean cached,
    boolean exactlyOnce,
    int threads,
    int lingerMs,
    int commitIntervalMs,
    int pollRecords,
    int httpPort,
    int httpThreads) {

  static final String STORE = "inventory";
  private static final long CACHE_BYTES = 64L << 20;
  private static final int TRANSACTION_MARGIN_MS = 30_000;

  static Options parse(String[] arguments) {
    Map<String, String> given = new HashMap<>();
    for (int i = 0; i + 1 < arguments.length; i += 2) {
      given.put(arguments[i], arguments[i + 1]);
    }
    return new Options(
        required(given, "--kafka"),
        required(given, "--events"),
        required(given, "--application"),
        required(given, "--state-dir"),
        Boolean.parseBoolean(given.getOrDefault("--cached", "false")),
        Boolean.parseBoolean(given.getOrDefault("--exactly-once", "false")),
        Integer.parseInt(given.getOrDefault("--threads", "1")),
        Integer.parseInt(given.getOrDefault("--linger-ms", "100")),
        Integer.parseInt(given.getOrDefault("--commit-interval-ms", "30000")),
        Integer.parseInt(given.getOrDefault("--poll-records", "1000")),
        Integer.parseInt(given.getOrDefault("--http-port", "-1")),
        Integer.parseInt(given.getOrDefault("--http-threads", "32")));
  }

  Properties streams() {
    Properties config = new Properties();
    config.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, kafka);
    config.put(StreamsConfig.APPLICATION_ID_CONFIG, application);
    config.put(StreamsConfig.STATE_DIR_CONFIG, stateDir);
    config.put(
        StreamsConfig.PROCESSING_GUARANTEE_CONFIG,
        exactlyOnce ? StreamsConfig.EXACTLY_ONCE_V2 : StreamsConfig.AT_LEAST_ONCE);
    config.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, threads);
    config.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, commitIntervalMs);
    config.put(StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, CACHE_BYTES);
    config.put(StreamsConfig.producerPrefix(ProducerConfig.LINGER_MS_CONFIG), lingerMs);
    config.put(
        StreamsConfig.mainConsumerPrefix(ConsumerConfig.ISOLATION_LEVEL_CONFIG), "read_committed");
    config.put(
        StreamsConfig.mainConsumerPrefix(ConsumerConfig.MAX_POLL_RECORDS_CONFIG), pollRecords);
    if (exactlyOnce) {
      // The store, too, changes only when its Kafka transaction commits (KIP-892)
      config.put(StreamsConfig.TRANSACTIONAL_STATE_STORES_CONFIG, true);
      config.put(
          StreamsConfig.DEFAULT_INTERACTIVE_QUERY_ISOLATION_LEVEL_CONFIG,
          IsolationLevel.READ_COMMITTED.name());
      // Must be longer than the time between two commits
      config.put(
          StreamsConfig.producerPrefix(ProducerConfig.TRANSACTION_TIMEOUT_CONFIG),
          commitIntervalMs + TRANSACTION_MARGIN_MS);
    }
    return config;
  }

  private static String required(Map<String, String> given, String name) {
    String value = given.get(name);
    if (value == null) {
      throw new IllegalArgumentException(name + " is missing");
    }
    return value;
  }
}
