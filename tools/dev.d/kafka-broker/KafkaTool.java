import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import java.io.BufferedInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.errors.TopicExistsException;
import org.apache.kafka.common.errors.UnknownTopicOrPartitionException;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * What tools/dev.d/kafka asks of its broker; the broker's own command line tools are not in its jars. Run from source:
 * `java -cp 'jars/*' KafkaTool.java BROKERS ready SECONDS | topic NAME [PARTITIONS] | produce TOPIC FILE [FIELD]`.
 * A failure is one line on stderr and exit status 1.
 */
public final class KafkaTool {
  private static final int PARTITIONS_DEFAULT = 4;
  private static final int TIMEOUT_MS = 20_000;

  /** What the user is told, without a stack trace. */
  private static final class Failure extends Exception {
    Failure(String message) {
      super(message);
    }
  }

  public static void main(String[] args) throws Exception {
    try {
      run(args);
    } catch (Failure failure) {
      exit(failure.getMessage());
    } catch (ExecutionException failure) {
      exit(String.valueOf(failure.getCause().getMessage()));
    } catch (IOException | org.apache.kafka.common.KafkaException failure) {
      exit(String.valueOf(failure.getMessage()));
    }
  }

  private static void exit(String message) {
    System.err.println(message);
    System.exit(1);
  }

  private static void run(String[] args) throws Exception {
    String brokers = args[0];
    switch (args[1]) {
      case "ready" -> awaitMetadata(brokers, Integer.parseInt(args[2]));
      case "topic" ->
          ensureTopic(brokers, args[2], args.length > 3 ? Optional.of(Integer.parseInt(args[3])) : Optional.empty());
      case "produce" -> produce(brokers, args[2], args[3], args.length > 4 ? args[4] : null);
      default -> throw new Failure("no such command: " + args[1]);
    }
  }

  private static Admin admin(String brokers, int timeoutMs) {
    return Admin.create(
        Map.of(
            "bootstrap.servers", brokers,
            "default.api.timeout.ms", timeoutMs,
            "request.timeout.ms", Math.min(timeoutMs, 5_000),
            "reconnect.backoff.ms", 50,
            "reconnect.backoff.max.ms", 200));
  }

  private static void awaitMetadata(String brokers, int seconds) throws Exception {
    try (Admin admin = admin(brokers, seconds * 1000)) {
      if (admin.describeCluster().nodes().get(seconds, TimeUnit.SECONDS).isEmpty()) {
        throw new Failure("the broker answers, but knows of no broker");
      }
    }
  }

  /** Empty when there is no such topic. */
  private static Optional<Integer> partitionsOf(Admin admin, String topic) throws Exception {
    try {
      return Optional.of(
          admin.describeTopics(List.of(topic)).allTopicNames().get().get(topic).partitions().size());
    } catch (ExecutionException failure) {
      if (failure.getCause() instanceof UnknownTopicOrPartitionException) {
        return Optional.empty();
      }
      throw failure;
    }
  }

  private static void ensureTopic(String brokers, String topic, Optional<Integer> wanted) throws Exception {
    try (Admin admin = admin(brokers, TIMEOUT_MS)) {
      Optional<Integer> present = partitionsOf(admin, topic);
      if (present.isEmpty()) {
        create(admin, topic, wanted.orElse(PARTITIONS_DEFAULT));
        present = awaitTopic(admin, topic);
      }
      if (wanted.isPresent() && !wanted.equals(present)) {
        throw new Failure(
            "topic '" + topic + "' has " + present.get() + " partitions, not " + wanted.get()
                + "; choose another name, or leave out --partitions");
      }
    }
  }

  private static void create(Admin admin, String topic, int partitions) throws Exception {
    try {
      admin.createTopics(List.of(new NewTopic(topic, partitions, (short) 1))).all().get();
    } catch (ExecutionException failure) {
      if (!(failure.getCause() instanceof TopicExistsException)) {
        throw failure;
      }
    }
  }

  /** A new topic is in the metadata a moment after its creation was acknowledged. */
  private static Optional<Integer> awaitTopic(Admin admin, String topic) throws Exception {
    for (long end = System.nanoTime() + TIMEOUT_MS * 1_000_000L; System.nanoTime() < end; Thread.sleep(20)) {
      Optional<Integer> partitions = partitionsOf(admin, topic);
      if (partitions.isPresent()) {
        return partitions;
      }
    }
    throw new Failure("topic '" + topic + "' was created, but the broker does not list it");
  }

  private static void produce(String brokers, String topic, String file, String keyField) throws Exception {
    try (Admin admin = admin(brokers, TIMEOUT_MS)) {
      if (partitionsOf(admin, topic).isEmpty()) {
        throw new Failure("there is no topic '" + topic + "'; create it first (tools/dev kafka topic)");
      }
    }
    AtomicReference<Exception> failed = new AtomicReference<>();
    long count = 0;
    try (InputStream in = open(file);
        KafkaProducer<byte[], byte[]> producer = producer(brokers)) {
      for (byte[] line = readLine(in); line != null && failed.get() == null; line = readLine(in)) {
        if (line.length == 0) {
          continue;
        }
        byte[] key = keyField == null ? null : keyOf(line, keyField);
        producer.send(
            new ProducerRecord<>(topic, key, line),
            (metadata, failure) -> {
              if (failure != null) {
                failed.compareAndSet(null, failure);
              }
            });
        ++count;
      }
      producer.flush();
    }
    if (failed.get() != null) {
      throw new Failure("not everything was produced: " + failed.get().getMessage());
    }
    System.out.println("produced " + count + " messages to " + topic);
  }

  private static KafkaProducer<byte[], byte[]> producer(String brokers) {
    Map<String, Object> config =
        Map.of(
            "bootstrap.servers", brokers,
            "acks", "all",
            "compression.type", "lz4",
            "linger.ms", 20,
            "batch.size", 256 * 1024,
            "request.timeout.ms", 10_000,
            "delivery.timeout.ms", 30_000,
            "max.block.ms", 30_000);
    return new KafkaProducer<>(config, new ByteArraySerializer(), new ByteArraySerializer());
  }

  private static InputStream open(String file) throws Exception {
    if (file.equals("-")) {
      return new BufferedInputStream(System.in, 1 << 16);
    }
    if (!Files.isReadable(Path.of(file))) {
      throw new Failure("cannot read " + file);
    }
    return new BufferedInputStream(Files.newInputStream(Path.of(file)), 1 << 16);
  }

  /** The next line's bytes as they are, without '\n'; null at the end. */
  private static byte[] readLine(InputStream in) throws IOException {
    ByteArrayOutputStream line = new ByteArrayOutputStream(256);
    int c = in.read();
    if (c < 0) {
      return null;
    }
    for (; c >= 0 && c != '\n'; c = in.read()) {
      line.write(c);
    }
    return line.toByteArray();
  }

  private static final JsonFactory JSON = new JsonFactory();

  /** The text of a top-level field; null, and so any partition, where the line is no object with that field. */
  private static byte[] keyOf(byte[] line, String field) {
    try (JsonParser parser = JSON.createParser(line)) {
      if (parser.nextToken() != JsonToken.START_OBJECT) {
        return null;
      }
      while (parser.nextToken() == JsonToken.FIELD_NAME) {
        boolean found = parser.getCurrentName().equals(field);
        if (parser.nextToken().isScalarValue() && found) {
          return parser.getText().getBytes(StandardCharsets.UTF_8);
        }
        parser.skipChildren();
      }
    } catch (IOException malformed) {
      // The reader of the topic is the one to judge it.
    }
    return null;
  }
}
