package cairn.peer;

import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.streams.processor.api.RecordMetadata;

/** What has been processed so far: when it began, how much, and the newest offset of each partition. Any thread. */
final class Progress {
  final AtomicLong startNanos = new AtomicLong();
  final AtomicLong events = new AtomicLong();
  final AtomicLong changes = new AtomicLong(); // that the place side has taken from the repartition topic
  final AtomicLong changesSent = new AtomicLong();
  private final Map<TopicPartition, Long> newest = new ConcurrentHashMap<>();

  void saw(AtomicLong counter, RecordMetadata record) {
    startNanos.compareAndSet(0, System.nanoTime());
    newest.merge(new TopicPartition(record.topic(), record.partition()), record.offset(), Math::max);
    counter.incrementAndGet();
  }

  boolean isComplete(long expected) {
    return events.get() == expected && changes.get() == changesSent.get();
  }

  Map<TopicPartition, Long> newest() {
    return newest;
  }
}
