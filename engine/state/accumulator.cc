#include "engine/state/accumulator.h"

#include <algorithm>
#include <string>

#include "cairn/prefetch.h"
#include "engine/state/keys.h"
#include "engine/state/parallel.h"

namespace cairn::state {

using features::ResolvedEvent;

namespace {

constexpr std::size_t kPrefetchAhead = 12;  // look-ups whose memory is on its way while one is worked on

/// All lines of an interaction: its ids, type, time and value.
void prefetch(const Interaction* interaction) {
  const char* const begin = reinterpret_cast<const char*>(interaction);
  for (std::size_t at = 0; at < sizeof(Interaction); at += 64) cairn::prefetch(begin + at);
}

}  // namespace

void Accumulator::tell(const Observers& observers, Told* told) {
  for (const PlaceObserver& observer : observers.places) {
    if (!told->places.empty()) observer(told->places);
  }
  for (const CellObserver& observer : observers.cells) {
    if (!told->cells.empty()) observer(told->cells);
  }
}

void Accumulator::add(std::span<const Interaction> interactions, std::span<const std::uint32_t> included,
                      const Observers& observers, WaitingPlaces* waiting, Window* window) {
  const std::size_t count = chunks_of(included.size());
  if (chunks_.size() < count) chunks_.resize(count);
  for_each_chunk(included.size(), [&](std::size_t i, std::size_t begin, std::size_t end) {
    resolve(interactions, included.subspan(begin, end - begin), &chunks_[i]);
    find_touches(&chunks_[i]);
  });
  for (std::size_t i = 0; i < count; ++i) {
    for (const std::uint64_t place : chunks_[i].waiting) waiting->add(place, 1);
  }
  if (count == 1) {  // not worth a second thread
    Told told;
    add_touches(chunks_[0], chunks_[0].touches, observers, &told, window);
    return tell(observers, &told);
  }
  for_each_index(count == 0 ? 0 : Window::kShards, [&](std::size_t shard) {
    Told told;
    for (std::size_t i = 0; i < count; ++i) {
      const Chunk& chunk = chunks_[i];
      const std::span touches(chunk.touches);
      add_touches(chunk, touches.subspan(chunk.begins[shard], chunk.begins[shard + 1] - chunk.begins[shard]), observers,
                  &told, window);
    }
    tell(observers, &told);
  });
}

void Accumulator::resolve(std::span<const Interaction> interactions, std::span<const std::uint32_t> included,
                          Chunk* chunk) {
  chunk->events.clear();
  chunk->hashes.clear();
  for (const std::uint32_t i : included) {
    const std::uint64_t hash = features::NameTable::hash(interactions[i].place.str());
    places_.prefetch(hash);
    chunk->hashes.push_back(hash);
    chunk->events.push_back({&interactions[i], 0, std::nullopt, std::nullopt});
  }
  for (std::size_t i = 0; i < chunk->events.size(); ++i) {
    const std::string& name = chunk->events[i].interaction->place.str();
    const auto known = places_.find(name, chunk->hashes[i]);
    chunk->events[i].place = known ? *known : places_.intern(name);
  }
  catalog_.resolve(chunk->events);
}

void Accumulator::find_touches(Chunk* chunk) const {
  chunk->found.clear();
  chunk->waiting.clear();
  chunk->begins.fill(0);
  std::string key;
  for (std::uint32_t i = 0; i < chunk->events.size(); ++i) {
    const ResolvedEvent& event = chunk->events[i];
    for (std::uint32_t group = 0; group < changes_.groups(); ++group) {
      if (!changes_.counts(group, event.interaction->type) || !make_key(group, event, &key)) continue;
      touch(key, i, group, chunk);
    }
    if (!event.waits || !changes_.waits(event.interaction->type)) continue;
    chunk->waiting.push_back(event.place);
    if (make_key(changes_.groups(), event, &key)) touch(key, i, changes_.groups(), chunk);
  }
  // Brought together by shard, each shard's in the order of the events.
  for (std::size_t shard = 0; shard < Window::kShards; ++shard) chunk->begins[shard + 1] += chunk->begins[shard];
  std::array<std::uint32_t, Window::kShards> next;
  std::copy_n(chunk->begins.begin(), Window::kShards, next.begin());
  chunk->touches.resize(chunk->found.size());
  for (const Touch& touch : chunk->found) chunk->touches[next[Window::shard_of(touch.hash)]++] = touch;
}

void Accumulator::touch(const std::string& key, std::uint32_t event, std::size_t group, Chunk* chunk) const {
  const std::uint64_t hash = Window::hash(key);
  chunk->found.push_back({hash, event, static_cast<std::uint32_t>(group)});
  ++chunk->begins[Window::shard_of(hash) + 1];  // a count here; find_touches() adds them up
}

void Accumulator::add_touches(const Chunk& chunk, std::span<const Touch> touches, const Observers& observers,
                              Told* told, Window* window) const {
  std::string key;
  std::vector<features::Change> changes;
  for (std::size_t i = 0; i < touches.size(); ++i) {
    // A shard meets few of a chunk's events, so the next ones are far away in memory.
    if (i + 2 * kPrefetchAhead < touches.size()) {
      cairn::prefetch(&chunk.events[touches[i + 2 * kPrefetchAhead].event]);
    }
    if (i + kPrefetchAhead < touches.size()) {
      const Touch& ahead = touches[i + kPrefetchAhead];
      window->prefetch(ahead.hash);
      prefetch(chunk.events[ahead.event].interaction);
    }
    const Touch& touch = touches[i];
    const ResolvedEvent& event = chunk.events[touch.event];
    changes.clear();
    const bool counts_waiting = touch.group == changes_.groups();
    if (counts_waiting) {
      changes_.append_waiting(event, &changes);
    } else {
      changes_.append(touch.group, event, &changes);
    }
    // No row is made where nothing counts.
    if (changes.empty()) continue;
    make_key(touch.group, event, &key);
    window->add(key, touch.hash, changes);
    if (counts_waiting) continue;
    const features::EventChanges::Group& group = changes_.group(touch.group);
    for (const features::Change& change : changes) {
      if (group.kind == EntityKind::kPlace) {
        told->places.push_back({event.place, change.view->id, {change.dimension, change.value}});
      } else if (group.kind == EntityKind::kCell && event.cell && !observers.cells.empty()) {
        const std::uint64_t cell = features::cell_prefix(*event.cell, group.letters);
        told->cells.push_back({cell, change.view->id, {change.dimension, change.value}});
      }
    }
  }
}

void Accumulator::for_each_row(const ResolvedEvent& event, const VisitRow& visit,
                               const features::EventChanges* weighed) const {
  const features::EventChanges& by = weighed == nullptr ? changes_ : *weighed;
  std::string key;
  std::vector<features::Change> changes;
  for (std::size_t group = 0; group < by.groups(); ++group) {
    if (!by.counts(group, event.interaction->type) || !make_key(by, group, event, &key)) continue;
    changes.clear();
    by.append(group, event, &changes);
    if (!changes.empty()) visit(key, changes);
  }
  if (!event.waits || !by.waits(event.interaction->type)) return;
  changes.clear();
  by.append_waiting(event, &changes);
  make_key(by, by.groups(), event, &key);
  visit(key, changes);
}

bool Accumulator::make_key(const features::EventChanges& by, std::size_t group, const ResolvedEvent& event,
                           std::string* key) {
  key->clear();
  if (group == by.groups()) {
    append_waiting_key(event.place, key);
    return true;
  }
  const features::EventChanges::Group& of = by.group(group);
  switch (of.kind) {
    case EntityKind::kUser:
      append_user_key(event.interaction->user.str(), key);
      return true;
    case EntityKind::kPlace:
      append_place_key(event.place, key);
      return true;
    case EntityKind::kCell:
      break;
  }
  if (event.cell) {
    append_cell_key(features::cell_prefix(*event.cell, of.letters), of.letters, key);
  } else if (event.waits) {
    append_waiting_key(event.place, key);
  }
  return event.cell || event.waits;
}

}  // namespace cairn::state
