package cairn.peer;

import java.util.Set;
import java.util.function.Supplier;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Repartitioned;
import org.apache.kafka.streams.processor.api.FixedKeyProcessor;
import org.apache.kafka.streams.processor.api.FixedKeyProcessorContext;
import org.apache.kafka.streams.processor.api.FixedKeyProcessorSupplier;
import org.apache.kafka.streams.processor.api.FixedKeyRecord;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.ProcessorSupplier;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.StoreBuilder;
import org.apache.kafka.streams.state.Stores;

/** The two topologies. Stores are cached, so that their changelogs get one record a key and commit. */
final class Topologies {
  static final String COUNTS = "counts";
  static final String USERS = "users";
  static final String PLACES = "places";

  static Topology count(String topic, Progress progress) {
    StreamsBuilder builder = new StreamsBuilder();
    builder
        .stream(topic, Consumed.with(Serdes.String(), Serdes.ByteArray()))
        .processValues(() -> new Watch(progress))
        .groupByKey(Grouped.with(Serdes.String(), Serdes.ByteArray()))
        .count(Materialized.<String, Long>as(Stores.persistentKeyValueStore(COUNTS)).withCachingEnabled());
    return builder.build();
  }

  static Topology views(String topic, int partitions, Progress progress, Places places) {
    StreamsBuilder builder = new StreamsBuilder();
    builder
        .stream(topic, Consumed.with(Serdes.String(), Serdes.ByteArray()))
        .process(supplier(USERS, () -> new UserSide(progress, places)))
        .repartition(Repartitioned.with(Serdes.String(), Serdes.ByteArray())
            .withName("by-place")
            .withNumberOfPartitions(partitions))
        .process(supplier(PLACES, () -> new PlaceSide(progress)));
    return builder.build();
  }

  private static <KOut, VOut> ProcessorSupplier<String, byte[], KOut, VOut> supplier(
      String store, Supplier<Processor<String, byte[], KOut, VOut>> make) {
    StoreBuilder<KeyValueStore<String, byte[]>> builder =
        Stores.keyValueStoreBuilder(Stores.persistentKeyValueStore(store), Serdes.String(), Serdes.ByteArray())
            .withCachingEnabled();
    return new ProcessorSupplier<>() {
      @Override
      public Processor<String, byte[], KOut, VOut> get() {
        return make.get();
      }

      @Override
      public Set<StoreBuilder<?>> stores() {
        return Set.of(builder);
      }
    };
  }

  /** Passes everything on. */
  private static final class Watch implements FixedKeyProcessor<String, byte[], byte[]> {
    private final Progress progress;
    private FixedKeyProcessorContext<String, byte[]> context;

    Watch(Progress progress) {
      this.progress = progress;
    }

    @Override
    public void init(FixedKeyProcessorContext<String, byte[]> context) {
      this.context = context;
    }

    @Override
    public void process(FixedKeyRecord<String, byte[]> record) {
      context.forward(record);
      progress.saw(progress.events, context.recordMetadata().orElseThrow());
    }
  }

  private static final class UserSide implements Processor<String, byte[], String, byte[]> {
    private final Progress progress;
    private final Places places;
    private ProcessorContext<String, byte[]> context;
    private KeyValueStore<String, byte[]> rows;

    UserSide(Progress progress, Places places) {
      this.progress = progress;
      this.places = places;
    }

    @Override
    public void init(ProcessorContext<String, byte[]> context) {
      this.context = context;
      rows = context.getStateStore(USERS);
    }

    @Override
    public void process(Record<String, byte[]> record) {
      Event event = Event.read(record.value());
      UserRow row = UserRow.decode(rows.get(record.key()));
      row.add(event, places.find(event.place()));
      rows.put(record.key(), row.encode());
      if (event.isVisit()) {
        byte[] change = new PlaceRow.Change(event.timeMs(), event.type().equals("rate"), event.value()).encode();
        progress.changesSent.incrementAndGet();
        context.forward(new Record<>(event.place(), change, record.timestamp()));
      }
      progress.saw(progress.events, context.recordMetadata().orElseThrow());
    }
  }

  private static final class PlaceSide implements Processor<String, byte[], Void, Void> {
    private final Progress progress;
    private ProcessorContext<Void, Void> context;
    private KeyValueStore<String, byte[]> rows;

    PlaceSide(Progress progress) {
      this.progress = progress;
    }

    @Override
    public void init(ProcessorContext<Void, Void> context) {
      this.context = context;
      rows = context.getStateStore(PLACES);
    }

    @Override
    public void process(Record<String, byte[]> record) {
      PlaceRow row = PlaceRow.decode(rows.get(record.key()));
      row.add(PlaceRow.Change.decode(record.value()));
      rows.put(record.key(), row.encode());
      progress.saw(progress.changes, context.recordMetadata().orElseThrow());
    }
  }

  private Topologies() {}
}
