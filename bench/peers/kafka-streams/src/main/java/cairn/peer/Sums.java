package cairn.peer;

import java.nio.ByteBuffer;
import java.util.HashMap;
import java.util.Iterator;
import java.util.Map;

/**
 * Sums by a number (a category, a cell, a place, an hour). With a half-life they are kept relative to a landmark in the
 * past (forward decay, Cormode et al., ICDE 2009), so that adding is plain addition. The entries with the newest events
 * stay when there are too many.
 */
final class Sums {
  private static final double DAY_MS = 24 * 3600e3;
  private static final long LANDMARK_MS = 1_700_000_000_000L;

  private static final class Entry {
    double sum;
    long newestMs;
  }

  private final double halfLifeMs; // 0: plain sums
  private final int max;
  private final Map<Long, Entry> entries = new HashMap<>();

  static Sums decayed(double halfLifeDays) {
    return new Sums(halfLifeDays * DAY_MS, 1024);
  }

  static Sums plain(int max) {
    return new Sums(0, max);
  }

  private Sums(double halfLifeMs, int max) {
    this.halfLifeMs = halfLifeMs;
    this.max = max;
  }

  void add(long key, double weight, long timeMs) {
    Entry entry = entries.computeIfAbsent(key, unused -> new Entry());
    entry.sum += halfLifeMs == 0 ? weight : weight * Math.pow(2, (timeMs - LANDMARK_MS) / halfLifeMs);
    entry.newestMs = Math.max(entry.newestMs, timeMs);
    if (entries.size() > max) dropOldest();
  }

  private void dropOldest() {
    long oldest = Long.MAX_VALUE;
    for (Entry entry : entries.values()) oldest = Math.min(oldest, entry.newestMs);
    for (Iterator<Entry> at = entries.values().iterator(); at.hasNext(); ) {
      if (at.next().newestMs != oldest) continue;
      at.remove();
      return;
    }
  }

  double total() {
    double total = 0;
    for (Entry entry : entries.values()) total += entry.sum;
    return total;
  }

  int bytes() {
    return 4 + 24 * entries.size();
  }

  void write(ByteBuffer out) {
    out.putInt(entries.size());
    entries.forEach((key, entry) -> out.putLong(key).putDouble(entry.sum).putLong(entry.newestMs));
  }

  void read(ByteBuffer in) {
    for (int left = in.getInt(); left > 0; --left) {
      Entry entry = new Entry();
      entries.put(in.getLong(), entry);
      entry.sum = in.getDouble();
      entry.newestMs = in.getLong();
    }
  }
}
