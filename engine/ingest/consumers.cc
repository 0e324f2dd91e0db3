#include "engine/ingest/consumers.h"

#include <utility>

namespace cairn::ingest {

Consumers::Consumers(const Consumer::Options& options, std::span<const Consumer::ConfiguredSource> sources, Sink& sink,
                     const InteractionTypes& types, const Clock& clock) {
  for (const Consumer::ConfiguredSource& source : sources) {
    Consumer::Options own = options;
    own.required = options.required && source.required;
    consumers_.push_back(std::make_unique<Consumer>(std::move(own), source.make, sink, types, clock));
  }
}

std::vector<std::uint64_t> Consumers::marks() const {
  std::vector<std::uint64_t> marks;
  for (const auto& consumer : consumers_) marks.push_back(consumer->mark());
  return marks;
}

Status Consumers::wait_passed(std::span<const std::uint64_t> marks, const CallContext& context) const {
  for (std::size_t i = 0; i < consumers_.size(); ++i) {
    CAIRN_RETURN_IF_ERROR(consumers_[i]->wait_passed(marks[i], context));
  }
  return ok_status();
}

void Consumers::append_status(std::vector<ConsumerStatus>* all) const {
  for (const auto& consumer : consumers_) {
    for (ConsumerStatus& one : consumer->status()) all->push_back(std::move(one));
  }
}

void Consumers::append_health(std::vector<ConsumerHealth>* all) const {
  for (const auto& consumer : consumers_) all->push_back(consumer->health());
}

std::vector<Consumer*> Consumers::named(std::string_view name) const {
  std::vector<Consumer*> found;
  for (const auto& consumer : consumers_) {
    if (consumer->source() == name || consumer->health().name() == name) found.push_back(consumer.get());
  }
  return found;
}

std::vector<Consumer*> Consumers::of_sink(std::string_view sink) const {
  std::vector<Consumer*> found;
  for (const auto& consumer : consumers_) {
    if (consumer->health().consumer == sink) found.push_back(consumer.get());
  }
  return found;
}

Offset Consumers::reached(std::string_view source) const {
  for (const auto& consumer : consumers_) {
    if (consumer->source() != source) continue;
    const std::vector<ConsumerStatus> status = consumer->status();
    if (!status.empty()) return status.front().position.offset;
  }
  return Offset{0};
}

std::string Consumers::trouble() const {
  std::string all;
  for (const auto& consumer : consumers_) {
    const std::string trouble = consumer->trouble();
    if (!trouble.empty()) all += (all.empty() ? "" : "; ") + consumer->source() + ": " + trouble;
  }
  return all;
}

void Consumers::stop() {
  for (const auto& consumer : consumers_) consumer->request_stop();
  for (const auto& consumer : consumers_) consumer->stop();
}

}  // namespace cairn::ingest
