package cairn.peer;

import java.nio.ByteBuffer;
import java.util.List;

/** All that is kept of a place. */
final class PlaceRow {
  private static final long HOUR_MS = 3_600_000;
  private static final int MONDAY = 4 * 24; // the epoch was a Thursday

  private long visits = 0;
  private long ratings = 0;
  private double ratingSum = 0;
  private final Sums recent = Sums.decayed(30); // of one entry
  private final Sums hoursOfWeek = Sums.plain(168);
  private final Sums hours = Sums.plain(720);

  /** A visit or a rating, as it comes through the repartition topic. */
  record Change(long timeMs, boolean rating, double value) {
    byte[] encode() {
      return ByteBuffer.allocate(17).putLong(timeMs).put((byte) (rating ? 1 : 0)).putDouble(value).array();
    }

    static Change decode(byte[] bytes) {
      ByteBuffer in = ByteBuffer.wrap(bytes);
      return new Change(in.getLong(), in.get() == 1, in.getDouble());
    }
  }

  void add(Change change) {
    long hour = change.timeMs() / HOUR_MS;
    ++visits;
    recent.add(0, 1, change.timeMs());
    hoursOfWeek.add((hour + 168 - MONDAY) % 168, 1, change.timeMs());
    hours.add(hour, 1, change.timeMs());
    if (!change.rating()) return;
    ++ratings;
    ratingSum += change.value();
  }

  long visits() {
    return visits;
  }

  byte[] encode() {
    ByteBuffer out = ByteBuffer.allocate(24 + recent.bytes() + hoursOfWeek.bytes() + hours.bytes());
    out.putLong(visits).putLong(ratings).putDouble(ratingSum);
    for (Sums sums : List.of(recent, hoursOfWeek, hours)) sums.write(out);
    return out.array();
  }

  static PlaceRow decode(byte[] bytes) {
    PlaceRow row = new PlaceRow();
    if (bytes == null) return row;
    ByteBuffer in = ByteBuffer.wrap(bytes);
    row.visits = in.getLong();
    row.ratings = in.getLong();
    row.ratingSum = in.getDouble();
    for (Sums sums : List.of(row.recent, row.hoursOfWeek, row.hours)) sums.read(in);
    return row;
  }
}
