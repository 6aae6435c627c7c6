import java.time.Duration;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.StringDeserializer;

/** Prints key, type and value (hexadecimal) of a topic's records, tab-separated, until {@code count} are read. */
public class Consumer {
    public static void main(String[] arguments) {
        var count = Integer.parseInt(arguments[3]);
        var settings = Map.<String, Object>of(
            "bootstrap.servers", arguments[0],
            "group.id", arguments[2],
            "auto.offset.reset", "earliest",
            "isolation.level", "read_committed");
        try (var consumer = new KafkaConsumer<>(settings, new StringDeserializer(), new ByteArrayDeserializer())) {
            consumer.subscribe(List.of(arguments[1]));
            while (count > 0) {
                for (var record : consumer.poll(Duration.ofSeconds(1))) {
                    var type = new String(record.headers().lastHeader("ce_type").value());
                    System.out.println(record.key() + "\t" + type + "\t" + HexFormat.of().formatHex(record.value()));
                    count--;
                }
            }
        }
    }
}
