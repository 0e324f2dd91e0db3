package cairn.peer;

import static org.apache.kafka.streams.StoreQueryParameters.fromNameAndType;

import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.UUID;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse;
import org.apache.kafka.streams.state.QueryableStoreTypes;
import org.apache.kafka.streams.state.ReadOnlyKeyValueStore;

/**
 * Runs a topology over a whole topic: {@code Main count|views BROKERS TOPIC EVENTS PLACES KNOWN STATE_DIR}. Prints
 * {@code seconds=S}, from the first event processed to the last one committed. README.md says more.
 */
public final class Main {
  private static final Duration GIVE_UP = Duration.ofMinutes(15);

  private final boolean views;
  private final String brokers;
  private final long expected;
  private final Path known;
  private final Progress progress = new Progress();
  private final String application = "peer-" + UUID.randomUUID();

  private Main(String[] args) {
    views = args[0].equals("views");
    brokers = args[1];
    expected = Long.parseLong(args[3]);
    known = Path.of(args[5]);
  }

  public static void main(String[] args) throws Exception {
    Main main = new Main(args);
    try (Admin admin = Admin.create(Map.of("bootstrap.servers", (Object) main.brokers))) {
      String topic = args[2];
      int partitions = admin.describeTopics(List.of(topic)).allTopicNames().get().get(topic).partitions().size();
      Topology topology = main.views
          ? Topologies.views(topic, partitions, main.progress, new Places(Path.of(args[4])))
          : Topologies.count(topic, main.progress);
      try (KafkaStreams streams = new KafkaStreams(topology, main.settings(args[6]))) {
        main.run(streams, admin);
      }
    }
  }

  private Properties settings(String stateDir) {
    Properties settings = new Properties();
    settings.put(StreamsConfig.APPLICATION_ID_CONFIG, application);
    settings.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, brokers);
    settings.put(StreamsConfig.STATE_DIR_CONFIG, stateDir);
    settings.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.EXACTLY_ONCE_V2);
    settings.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, 2);
    settings.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, 100);
    settings.put(StreamsConfig.REPLICATION_FACTOR_CONFIG, 1);
    settings.put(StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, 256L << 20); // as much as Cairn's rows in memory
    settings.put(StreamsConfig.consumerPrefix(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG), "earliest");
    settings.put(StreamsConfig.consumerPrefix(ConsumerConfig.MAX_POLL_RECORDS_CONFIG), 5_000);
    settings.put(StreamsConfig.producerPrefix(ProducerConfig.COMPRESSION_TYPE_CONFIG), "lz4");
    settings.put(StreamsConfig.producerPrefix(ProducerConfig.BATCH_SIZE_CONFIG), 256 << 10);
    return settings;
  }

  private void run(KafkaStreams streams, Admin admin) throws Exception {
    streams.setUncaughtExceptionHandler(failure -> {
      failure.printStackTrace();
      Runtime.getRuntime().halt(1);
      return StreamThreadExceptionResponse.SHUTDOWN_CLIENT;
    });
    streams.start();
    long giveUp = System.nanoTime() + GIVE_UP.toNanos();
    while (!progress.isComplete(expected) || !isCommitted(admin)) {
      if (System.nanoTime() > giveUp) throw new IllegalStateException("not done after " + GIVE_UP);
      Thread.sleep(10);
    }
    double seconds = 1e-9 * (System.nanoTime() - progress.startNanos.get());
    check(streams);
    System.out.println("seconds=" + seconds);
  }

  /** Whether the group has committed past every record that was processed. */
  private boolean isCommitted(Admin admin) throws Exception {
    Map<TopicPartition, OffsetAndMetadata> committed =
        admin.listConsumerGroupOffsets(application).partitionsToOffsetAndMetadata().get();
    for (Map.Entry<TopicPartition, Long> newest : progress.newest().entrySet()) {
      OffsetAndMetadata offset = committed.get(newest.getKey());
      if (offset == null || offset.offset() <= newest.getValue()) return false;
    }
    return true;
  }

  private void check(KafkaStreams streams) throws Exception {
    for (String line : Files.readAllLines(known)) {
      String[] fields = line.split("\t");
      boolean user = fields[0].equals("user");
      if (!views && !user) continue;
      long visits = Long.parseLong(fields[3]);
      long wanted = !views ? Long.parseLong(fields[2]) : user ? Math.min(visits, 512) : visits;
      long found = found(streams, user, fields[1]);
      if (found != wanted) throw new IllegalStateException(line + ": found " + found + " instead of " + wanted);
    }
  }

  private long found(KafkaStreams streams, boolean user, String id) {
    if (!views) {
      ReadOnlyKeyValueStore<String, Long> counts =
          streams.store(fromNameAndType(Topologies.COUNTS, QueryableStoreTypes.keyValueStore()));
      return counts.get(id) == null ? 0 : counts.get(id);
    }
    ReadOnlyKeyValueStore<String, byte[]> rows =
        streams.store(fromNameAndType(user ? Topologies.USERS : Topologies.PLACES, QueryableStoreTypes.keyValueStore()));
    return user ? UserRow.decode(rows.get(id)).visits() : PlaceRow.decode(rows.get(id)).visits();
  }
}
