package cairn.peer;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import java.io.IOException;
import java.time.Instant;

/** The fields of an interaction that views need, read with Jackson's streaming parser. */
record Event(String place, String type, long timeMs, double value) {
  private static final JsonFactory FACTORY = new JsonFactory();

  boolean isVisit() {
    return type.equals("visit") || type.equals("rate"); // who rates a place has been there
  }

  static Event read(byte[] json) {
    String place = null;
    String type = null;
    long timeMs = 0;
    double value = 0;
    try (JsonParser parser = FACTORY.createParser(json)) {
      parser.nextToken();
      while (parser.nextToken() != JsonToken.END_OBJECT) {
        String name = parser.currentName();
        parser.nextToken();
        switch (name) {
          case "place_id" -> place = parser.getText();
          case "type" -> type = parser.getText();
          case "ts" -> timeMs = Instant.parse(parser.getText()).toEpochMilli();
          case "value" -> value = parser.getDoubleValue();
          default -> {}
        }
      }
    } catch (IOException failure) {
      throw new IllegalStateException("no event: " + new String(json), failure);
    }
    return new Event(place, type, timeMs, value);
  }
}
