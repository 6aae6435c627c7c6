package library.bench;

import java.util.HashMap;
import java.util.Map;
import java.util.Properties;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.streams.StreamsConfig;

/** What the program is run with, as {@code --name value} pairs. */
record Options(
    String kafka,
    String events,
    String application,
    String stateDir,
    boolean cached,
    int threads,
    int lingerMs,
    int commitIntervalMs,
    int pollRecords,
    int httpPort,
    int httpThreads) {

  static final String STORE = "inventory";
  private static final long CACHE_BYTES = 64L << 20;

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
    config.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.AT_LEAST_ONCE);
    config.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, threads);
    config.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, commitIntervalMs);
    config.put(StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, CACHE_BYTES);
    config.put(StreamsConfig.producerPrefix(ProducerConfig.LINGER_MS_CONFIG), lingerMs);
    config.put(
        StreamsConfig.mainConsumerPrefix(ConsumerConfig.ISOLATION_LEVEL_CONFIG), "read_committed");
    config.put(
        StreamsConfig.mainConsumerPrefix(ConsumerConfig.MAX_POLL_RECORDS_CONFIG), pollRecords);
    config.put(
        StreamsConfig.mainConsumerPrefix(ConsumerConfig.INTERCEPTOR_CLASSES_CONFIG),
        Progress.Commits.class.getName());
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
