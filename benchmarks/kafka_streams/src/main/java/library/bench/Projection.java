package library.bench;

import java.nio.charset.StandardCharsets;
import library.inventory.InventoryRow;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueStore;

/** Folds each event into the row of its title, guarded by the version that the record's key names. */
final class Projection implements Processor<byte[], byte[], Void, Void> {
  private static final int ISBN_LENGTH = 13;
  private final EventReader reader = new EventReader();
  private ProcessorContext<Void, Void> context;
  private KeyValueStore<String, InventoryRow> rows;

  @Override
  public void init(ProcessorContext<Void, Void> context) {
    this.context = context;
    rows = context.getStateStore(Options.STORE);
  }

  @Override
  public void process(Record<byte[], byte[]> event) {
    Progress.eventProcessed();
    fold(event);
    if (context.recordMetadata().filter(Progress::isLast).isPresent()) {
      // Else the end of a rebuild would wait for the commit interval
      context.commit();
    }
  }

  private void fold(Record<byte[], byte[]> event) {
    byte[] key = event.key();
    String isbn = new String(key, 0, ISBN_LENGTH, StandardCharsets.ISO_8859_1);
    long version = version(key);
    InventoryRow row = version == 1 ? null : rows.get(isbn);
    if (row != null && version <= row.getVersion()) {
      return;
    }
    long known = row == null ? 0 : row.getVersion();
    if (version != known + 1) {
      throw new IllegalStateException(isbn + ": version " + version + " follows " + known);
    }
    rows.put(isbn, Fold.apply(row, version, reader.read(event.value())));
    Arrivals.arrived(isbn, version);
  }

  private static long version(byte[] key) {
    long version = 0;
    for (int i = ISBN_LENGTH + 1; i < key.length; i++) {
      version = version * 10 + (key[i] - '0');
    }
    return version;
  }
}
