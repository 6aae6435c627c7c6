package library.bench;

import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import library.inventory.BookAdded;
import library.inventory.BookBorrowed;
import library.inventory.BookRemoved;
import library.inventory.BookReturned;
import library.inventory.CopiesAdded;
import library.inventory.CopiesWithdrawn;
import library.inventory.DetailsCorrected;
import library.inventory.InventoryRow;
import library.inventory.Loan;
import library.inventory.LoanRenewed;
import org.apache.avro.specific.SpecificRecord;

/** The row of a title after an event: inventory/row_fold.py in Java. */
final class Fold {
  private Fold() {}

  /** Changes {@code row}, which was read for this one event, and returns it. */
  static InventoryRow apply(InventoryRow row, long version, SpecificRecord event) {
    if (event instanceof BookAdded added) {
      return added(version, added);
    }
    if (row == null || row.getRemoved()) {
      throw new IllegalStateException(event + " of a title that is not in the inventory");
    }
    row.setVersion(version);
    if (event instanceof BookBorrowed borrowed) {
      Instant at = borrowed.getTimestamp();
      row.setUpdatedAt(at);
      row.setAvailable(row.getAvailable() - 1);
      row.getLoans().add(new Loan(borrowed.getUserId(), at, borrowed.getDueAt()));
    } else if (event instanceof BookReturned returned) {
      row.setUpdatedAt(returned.getTimestamp());
      row.setAvailable(row.getAvailable() + 1);
      row.getLoans().remove(loanOf(row, returned.getUserId()));
    } else if (event instanceof LoanRenewed renewed) {
      row.setUpdatedAt(renewed.getTimestamp());
      List<Loan> loans = row.getLoans();
      loans.get(loanOf(row, renewed.getUserId())).setDueAt(renewed.getDueAt());
    } else if (event instanceof CopiesAdded added) {
      row.setUpdatedAt(added.getTimestamp());
      row.setQuantity(row.getQuantity() + added.getQuantity());
      row.setAvailable(row.getAvailable() + added.getQuantity());
    } else if (event instanceof CopiesWithdrawn withdrawn) {
      withdrawn(row, withdrawn);
    } else if (event instanceof DetailsCorrected corrected) {
      row.setUpdatedAt(corrected.getTimestamp());
      row.setTitle(corrected.getTitle());
      row.setAuthor(corrected.getAuthor());
    } else if (event instanceof BookRemoved removed) {
      row.setUpdatedAt(removed.getTimestamp());
      row.setRemoved(true);
      row.setQuantity(0);
      row.setAvailable(0);
    } else {
      throw new IllegalStateException("no event: " + event);
    }
    return row;
  }

  private static InventoryRow added(long version, BookAdded event) {
    int quantity = event.getQuantity();
    return new InventoryRow(
        event.getIsbn(),
        event.getTitle(),
        event.getAuthor(),
        quantity,
        quantity,
        new ArrayList<>(),
        false,
        null,
        version,
        event.getTimestamp());
  }

  private static void withdrawn(InventoryRow row, CopiesWithdrawn event) {
    row.setUpdatedAt(event.getTimestamp());
    row.setQuantity(row.getQuantity() - event.getQuantity());
    if (event.getUserId() == null) {
      row.setAvailable(row.getAvailable() - event.getQuantity());
    } else {
      row.getLoans().remove(loanOf(row, event.getUserId()));
    }
  }

  private static int loanOf(InventoryRow row, CharSequence user) {
    List<Loan> loans = row.getLoans();
    for (int i = 0; i < loans.size(); i++) {
      if (loans.get(i).getUserId().equals(user)) {
        return i;
      }
    }
    throw new IllegalStateException(row.getIsbn() + ": there is no such open loan");
  }
}
