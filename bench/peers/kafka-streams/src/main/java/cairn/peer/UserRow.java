package cairn.peer;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;

/** All that is kept of a user. */
final class UserRow {
  private static final int HISTORY_MAX = 512;

  private record Visit(long timeMs, int place) {}

  private final List<Visit> history = new ArrayList<>(); // oldest first
  private final Sums categories = Sums.decayed(30);
  private final Sums cells = Sums.decayed(30);
  private final Sums interest = Sums.decayed(14);
  private final Sums dismissed = Sums.decayed(90);

  void add(Event event, Places.Place place) {
    switch (event.type()) {
      case "visit", "rate" -> visit(event, place);
      case "view" -> interest.add(place.number(), 0.2, event.timeMs());
      case "click" -> interest.add(place.number(), 0.5, event.timeMs());
      case "save" -> interest.add(place.number(), 2, event.timeMs());
      case "dismiss" -> dismissed.add(place.number(), 1, event.timeMs());
      default -> {}
    }
  }

  private void visit(Event event, Places.Place place) {
    int at = history.size();
    while (at > 0 && history.get(at - 1).timeMs() > event.timeMs()) --at;
    history.add(at, new Visit(event.timeMs(), place.number()));
    if (history.size() > HISTORY_MAX) history.remove(0);
    categories.add(place.category(), 1, event.timeMs());
    cells.add(place.cell(), 1, event.timeMs());
  }

  int visits() {
    return history.size();
  }

  byte[] encode() {
    ByteBuffer out = ByteBuffer.allocate(
        4 + 12 * history.size() + categories.bytes() + cells.bytes() + interest.bytes() + dismissed.bytes());
    out.putInt(history.size());
    for (Visit visit : history) out.putLong(visit.timeMs()).putInt(visit.place());
    for (Sums sums : List.of(categories, cells, interest, dismissed)) sums.write(out);
    return out.array();
  }

  static UserRow decode(byte[] bytes) {
    UserRow row = new UserRow();
    if (bytes == null) return row;
    ByteBuffer in = ByteBuffer.wrap(bytes);
    for (int left = in.getInt(); left > 0; --left) row.history.add(new Visit(in.getLong(), in.getInt()));
    for (Sums sums : List.of(row.categories, row.cells, row.interest, row.dismissed)) sums.read(in);
    return row;
  }
}
