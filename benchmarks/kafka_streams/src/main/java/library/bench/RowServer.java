package library.bench;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.util.concurrent.Executors;
import library.inventory.InventoryRow;
import library.inventory.Loan;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StoreQueryParameters;
import org.apache.kafka.streams.errors.InvalidStateStoreException;
import org.apache.kafka.streams.state.QueryableStoreTypes;
import org.apache.kafka.streams.state.ReadOnlyKeyValueStore;

/**
 * {@code GET /inventory/{isbn}} by interactive query, behind the JDK's own HTTP server. With {@code
 * ?version=12} the answer waits until the row has this version or a later one.
 */
final class RowServer {
  private static final String ROUTE = "/inventory/";
  private static final String VERSION = "version=";
  private static final int TYPICAL_BYTES = 512;
  private final JsonFactory json = new JsonFactory();
  private final KafkaStreams streams;
  private volatile ReadOnlyKeyValueStore<String, InventoryRow> rows;

  private RowServer(KafkaStreams streams) {
    this.streams = streams;
  }

  /** Listens on the loopback interface; the port, which the system chooses where it is 0. */
  static int start(KafkaStreams streams, int port, int threads) throws IOException {
    // Else the JDK's server answers 40 ms late on kept-alive connections
    System.setProperty("sun.net.httpserver.nodelay", "true");
    // Connections of a load generator are kept alive, and more than the 200 of the default
    System.setProperty("sun.net.httpserver.maxIdleConnections", "1000");
    var address = new InetSocketAddress(InetAddress.getLoopbackAddress(), port);
    var server = HttpServer.create(address, 1024);
    server.createContext(ROUTE, new RowServer(streams)::answer);
    server.setExecutor(Executors.newFixedThreadPool(threads));
    server.start();
    return server.getAddress().getPort();
  }

  private void answer(HttpExchange exchange) throws IOException {
    try (exchange) {
      String isbn = exchange.getRequestURI().getPath().substring(ROUTE.length());
      String query = exchange.getRequestURI().getQuery();
      InventoryRow row =
          query == null || !query.startsWith(VERSION)
              ? find(isbn)
              : findFrom(isbn, Long.parseLong(query.substring(VERSION.length())));
      if (row == null) {
        exchange.sendResponseHeaders(404, -1);
        return;
      }
      byte[] body = encode(row);
      exchange.getResponseHeaders().set("Content-Type", "application/json");
      exchange.sendResponseHeaders(200, body.length);
      exchange.getResponseBody().write(body);
    } catch (InvalidStateStoreException notReady) {
      exchange.sendResponseHeaders(503, -1);
    } catch (InterruptedException stopping) {
      Thread.currentThread().interrupt();
      exchange.sendResponseHeaders(503, -1);
    }
  }

  private InventoryRow findFrom(String isbn, long version) throws InterruptedException {
    var waiter = Arrivals.register(isbn, version);
    InventoryRow row = find(isbn);
    if (row != null && row.getVersion() >= version) {
      Arrivals.forget(isbn, waiter);
      return row;
    }
    Arrivals.await(isbn, waiter);
    return find(isbn);
  }

  private InventoryRow find(String isbn) {
    if (rows == null) {
      rows =
          streams.store(
              StoreQueryParameters.fromNameAndType(
                  Options.STORE, QueryableStoreTypes.keyValueStore()));
    }
    return rows.get(isbn);
  }

  private byte[] encode(InventoryRow row) throws IOException {
    var out = new ByteArrayOutputStream(TYPICAL_BYTES);
    try (JsonGenerator to = json.createGenerator(out)) {
      to.writeStartObject();
      to.writeStringField("isbn", row.getIsbn().toString());
      to.writeStringField("title", row.getTitle().toString());
      to.writeStringField("author", row.getAuthor().toString());
      to.writeNumberField("quantity", row.getQuantity());
      to.writeNumberField("available", row.getAvailable());
      to.writeArrayFieldStart("loans");
      for (Loan loan : row.getLoans()) {
        to.writeStartObject();
        to.writeStringField("user_id", loan.getUserId().toString());
        to.writeNumberField("borrowed_at", loan.getBorrowedAt().toEpochMilli());
        to.writeNumberField("due_at", loan.getDueAt().toEpochMilli());
        to.writeEndObject();
      }
      to.writeEndArray();
      to.writeBooleanField("removed", row.getRemoved());
      to.writeNumberField("version", row.getVersion());
      to.writeNumberField("updated_at", row.getUpdatedAt().toEpochMilli());
      to.writeEndObject();
    }
    return out.toByteArray();
  }
}
