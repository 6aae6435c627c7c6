package library.bench;

import java.util.Map;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.state.Stores;

/** Event store, processor, RocksDB store with its changelog. */
final class InventoryTopology {
  private InventoryTopology() {}

  static Topology build(Options options) {
    var bytes = Serdes.ByteArray().deserializer();
    var store =
        Stores.keyValueStoreBuilder(
                Stores.persistentKeyValueStore(Options.STORE), Serdes.String(), new RowSerde())
            .withLoggingEnabled(Map.of());
    return new Topology()
        .addSource("events", bytes, bytes, options.events())
        .addProcessor("projection", Projection::new, "events")
        .addStateStore(
            options.cached() ? store.withCachingEnabled() : store.withCachingDisabled(),
            "projection");
  }
}
