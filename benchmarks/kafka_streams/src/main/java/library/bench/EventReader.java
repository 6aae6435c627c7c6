package library.bench;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import library.inventory.BookAdded;
import library.inventory.BookBorrowed;
import library.inventory.BookRemoved;
import library.inventory.BookReturned;
import library.inventory.CopiesAdded;
import library.inventory.CopiesWithdrawn;
import library.inventory.DetailsCorrected;
import library.inventory.LoanRenewed;
import org.apache.avro.Schema;
import org.apache.avro.io.BinaryDecoder;
import org.apache.avro.io.DecoderFactory;
import org.apache.avro.specific.SpecificDatumReader;
import org.apache.avro.specific.SpecificRecord;

/** Reads events in Confluent's framing with Avro's generated classes. Not thread-safe. */
final class EventReader {
  private static final int PREFIX = 5;

  /** By schema id, as in schemas/avsc/ids.json. */
  private final SpecificDatumReader<?>[] readers = {
    null,
    reader(BookAdded.getClassSchema()),
    reader(BookBorrowed.getClassSchema()),
    reader(BookReturned.getClassSchema()),
    reader(BookRemoved.getClassSchema()),
    reader(CopiesAdded.getClassSchema()),
    reader(CopiesWithdrawn.getClassSchema()),
    reader(LoanRenewed.getClassSchema()),
    reader(DetailsCorrected.getClassSchema()),
  };

  private BinaryDecoder decoder;

  SpecificRecord read(byte[] framed) {
    int id = ByteBuffer.wrap(framed).getInt(1);
    if (framed[0] != 0 || id < 1 || id >= readers.length) {
      throw new IllegalArgumentException("no event has the schema id " + id);
    }
    decoder =
        DecoderFactory.get().binaryDecoder(framed, PREFIX, framed.length - PREFIX, decoder);
    try {
      return (SpecificRecord) readers[id].read(null, decoder);
    } catch (IOException error) {
      throw new UncheckedIOException(error);
    }
  }

  private static SpecificDatumReader<SpecificRecord> reader(Schema schema) {
    return new SpecificDatumReader<>(schema);
  }
}
