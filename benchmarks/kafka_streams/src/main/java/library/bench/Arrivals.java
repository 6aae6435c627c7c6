package library.bench;

import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

/** Requests that wait until their title has a version: for each title the one with the highest. */
final class Arrivals {
  private static final long LONGEST_WAIT_S = 30;
  private static final ConcurrentMap<String, Waiter> waiting = new ConcurrentHashMap<>();

  private Arrivals() {}

  /** Registers a wait. The caller looks at the row afterwards, so that no arrival is missed. */
  static Waiter register(String isbn, long version) {
    return waiting.merge(
        isbn, new Waiter(version), (old, fresh) -> old.version >= version ? old : fresh);
  }

  /** Waits for the version; gives up after a while. */
  static void await(String isbn, Waiter waiter) throws InterruptedException {
    waiter.arrived.await(LONGEST_WAIT_S, TimeUnit.SECONDS);
    forget(isbn, waiter);
  }

  static void forget(String isbn, Waiter waiter) {
    waiting.remove(isbn, waiter);
  }

  /** The row of a title has this version now. */
  static void arrived(String isbn, long version) {
    Waiter waiter = waiting.get(isbn);
    if (waiter != null && version >= waiter.version) {
      waiter.arrived.countDown();
    }
  }

  static final class Waiter {
    private final long version;
    private final CountDownLatch arrived = new CountDownLatch(1);

    private Waiter(long version) {
      this.version = version;
    }
  }
}
