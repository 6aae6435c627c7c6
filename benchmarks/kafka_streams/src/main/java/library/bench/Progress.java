package library.bench;

import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.ListOffsetsOptions;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.common.IsolationLevel;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.streams.processor.api.RecordMetadata;

/** Prints when the first event arrived, and knows where the event store ended at the start. */
final class Progress {
  private static final AtomicBoolean begun = new AtomicBoolean();
  private static final Map<TopicPartition, Long> awaited = new ConcurrentHashMap<>();

  private Progress() {}

  /** Learn where the event store ends now. */
  static void await(Options options) throws ExecutionException, InterruptedException {
    Properties config = new Properties();
    config.put("bootstrap.servers", options.kafka());
    try (Admin admin = Admin.create(config)) {
      var topic = admin.describeTopics(List.of(options.events())).allTopicNames().get();
      Map<TopicPartition, OffsetSpec> latest =
          topic.get(options.events()).partitions().stream()
              .collect(
                  Collectors.toMap(
                      info -> new TopicPartition(options.events(), info.partition()),
                      info -> OffsetSpec.latest()));
      var committed = new ListOffsetsOptions(IsolationLevel.READ_COMMITTED);
      admin.listOffsets(latest, committed).all().get().forEach(
          (partition, end) -> {
            if (end.offset() > 0) {
              awaited.put(partition, end.offset());
            }
          });
    }
  }

  /** Print once, at the first event, when it came. */
  static void eventProcessed() {
    if (!begun.get() && begun.compareAndSet(false, true)) {
      System.out.printf("{\"first_event_ms\": %d}%n", System.currentTimeMillis());
    }
  }

  /** Whether the record is the last of its partition that stood there at the start. */
  static boolean isLast(RecordMetadata record) {
    Long end = awaited.get(new TopicPartition(record.topic(), record.partition()));
    // The last offset is that of the transaction's marker
    return end != null && record.offset() >= end - 2;
  }
}
