package library.bench;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import library.inventory.InventoryRow;
import org.apache.avro.io.BinaryDecoder;
import org.apache.avro.io.BinaryEncoder;
import org.apache.avro.io.DecoderFactory;
import org.apache.avro.io.EncoderFactory;
import org.apache.avro.specific.SpecificDatumReader;
import org.apache.avro.specific.SpecificDatumWriter;
import org.apache.kafka.common.serialization.Deserializer;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serializer;

/** Rows as the projector writes them: Confluent's framing, schema id 100. */
final class RowSerde implements Serde<InventoryRow> {
  private static final byte[] PREFIX = {0, 0, 0, 0, 100};
  private static final int TYPICAL_BYTES = 512;

  /** Encoders and decoders are reused; interactive queries read beside the stream threads. */
  private final ThreadLocal<Codec> codec = ThreadLocal.withInitial(Codec::new);

  @Override
  public Serializer<InventoryRow> serializer() {
    return (topic, row) -> row == null ? null : codec.get().write(row);
  }

  @Override
  public Deserializer<InventoryRow> deserializer() {
    return (topic, data) -> data == null ? null : codec.get().read(data);
  }

  private static final class Codec {
    private final SpecificDatumWriter<InventoryRow> writer =
        new SpecificDatumWriter<>(InventoryRow.getClassSchema());
    private final SpecificDatumReader<InventoryRow> reader =
        new SpecificDatumReader<>(InventoryRow.getClassSchema());
    private final ByteArrayOutputStream out = new ByteArrayOutputStream(TYPICAL_BYTES);
    private BinaryEncoder encoder;
    private BinaryDecoder decoder;

    byte[] write(InventoryRow row) {
      try {
        out.reset();
        out.write(PREFIX);
        encoder = EncoderFactory.get().binaryEncoder(out, encoder);
        writer.write(row, encoder);
        encoder.flush();
        return out.toByteArray();
      } catch (IOException error) {
        throw new UncheckedIOException(error);
      }
    }

    InventoryRow read(byte[] data) {
      try {
        int start = PREFIX.length;
        decoder = DecoderFactory.get().binaryDecoder(data, start, data.length - start, decoder);
        return reader.read(null, decoder);
      } catch (IOException error) {
        throw new UncheckedIOException(error);
      }
    }
  }
}
