package cairn.peer;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;

/** Number, category and cell of every place, from the bench's file of places. Read-only once loaded. */
final class Places {
  record Place(int number, int category, long cell) {}

  private final Map<String, Place> byId = new HashMap<>();

  Places(Path file) throws IOException {
    Map<String, Integer> categories = new HashMap<>();
    for (String line : Files.readAllLines(file)) {
      String[] fields = line.split("\t", -1);
      int category = categories.computeIfAbsent(fields[4], name -> categories.size());
      long cell = cell(Double.parseDouble(fields[2]), Double.parseDouble(fields[3]));
      byId.put(fields[0], new Place(byId.size(), category, cell));
    }
  }

  Place find(String id) {
    return byId.get(id);
  }

  /** A geohash of six letters, as its 30 bits: longitude and latitude in turn. */
  private static long cell(double lat, double lon) {
    long bits = 0;
    double south = -90, north = 90, west = -180, east = 180;
    for (int bit = 0; bit < 30; ++bit) {
      boolean upper;
      if (bit % 2 == 0) {
        double middle = (west + east) / 2;
        upper = lon >= middle;
        if (upper) west = middle; else east = middle;
      } else {
        double middle = (south + north) / 2;
        upper = lat >= middle;
        if (upper) south = middle; else north = middle;
      }
      bits = bits << 1 | (upper ? 1 : 0);
    }
    return bits;
  }
}
