package library.bench;

import java.time.Duration;
import java.util.concurrent.CountDownLatch;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse;

/** Runs the inventory table on Kafka Streams until SIGTERM; see {@link Options}. */
public final class Main {
  private Main() {}

  public static void main(String[] arguments) throws Exception {
    Options options = Options.parse(arguments);
    Progress.await(options);
    var streams = new KafkaStreams(InventoryTopology.build(options), options.streams());
    var stopped = new CountDownLatch(1);
    streams.setUncaughtExceptionHandler(
        error -> {
          error.printStackTrace();
          stopped.countDown();
          return StreamThreadExceptionResponse.SHUTDOWN_CLIENT;
        });
    Runtime.getRuntime()
        .addShutdownHook(new Thread(() -> streams.close(Duration.ofSeconds(20)), "close"));
    streams.start();
    if (options.httpPort() >= 0) {
      int port = RowServer.start(streams, options.httpPort(), options.httpThreads());
      System.out.printf("{\"http_port\": %d}%n", port);
    }
    stopped.await();
    System.exit(1);
  }
}
