package library.bench;

import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.LongAdder;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.ListOffsetsOptions;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.consumer.ConsumerInterceptor;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.IsolationLevel;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.streams.processor.api.RecordMetadata;

/** Prints one line when all events that stood in the store at the start are folded and committed. */
final class Progress {
  private static final AtomicLong firstEventMs = new AtomicLong();
  private static final LongAdder events = new LongAdder();
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

  static void eventProcessed() {
    if (firstEventMs.get() == 0) {
      firstEventMs.compareAndSet(0, System.currentTimeMillis());
    }
    events.increment();
  }

  /** Whether the record is the last of its partition that stood there at the start. */
  static boolean isLast(RecordMetadata record) {
    Long end = awaited.get(new TopicPartition(record.topic(), record.partition()));
    // The last offset is that of the transaction's marker
    return end != null && record.offset() >= end - 2;
  }

  /** Sees the offsets that Kafka has accepted. Made by the consumer, hence public and without state. */
  public static final class Commits implements ConsumerInterceptor<byte[], byte[]> {
    @Override
    public void onCommit(Map<TopicPartition, OffsetAndMetadata> offsets) {
      if (awaited.isEmpty()) {
        return;
      }
      offsets.forEach(
          (partition, offset) ->
              awaited.computeIfPresent(
                  partition, (same, end) -> offset.offset() >= end ? null : end));
      if (awaited.isEmpty()) {
        double seconds = (System.currentTimeMillis() - firstEventMs.get()) / 1000.0;
        System.out.printf(
            "{\"events\": %d, \"first_event_ms\": %d, \"seconds\": %.3f}%n",
            events.sum(), firstEventMs.get(), seconds);
      }
    }

    @Override
    public ConsumerRecords<byte[], byte[]> onConsume(ConsumerRecords<byte[], byte[]> records) {
      return records;
    }

    @Override
    public void close() {}

    @Override
    public void configure(Map<String, ?> settings) {}
  }
}
