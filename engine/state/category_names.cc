#include "engine/state/category_names.h"

#include <algorithm>
#include <optional>

#include "cairn/ids.h"
#include "engine/state/bytes.h"
#include "engine/state/keys.h"

namespace cairn::state {

namespace {

std::string key_of(std::uint64_t category) {
  std::string key(kCategoryNowPrefix);
  append_big_endian(category, 4, &key);
  return key;
}

std::string quoted(const std::string& name) { return "'" + name.substr(0, kIdBytesMax) + "'"; }

}  // namespace

Status CategoryNames::load(const storage::StateStore& store) {
  Status damaged;
  CAIRN_RETURN_IF_ERROR(
      store.scan(storage::Family::kMeta, kCategoryNowPrefix, [&](std::string_view key, std::string_view value) {
        const std::string_view number = key.substr(kCategoryNowPrefix.size());
        ByteReader in(value);
        const auto now = in.integer<std::uint64_t>();
        const std::uint64_t before = number.size() == 4 ? read_big_endian(number) : names_.size();
        if (!in.complete() || before >= names_.size() || now >= names_.size()) {
          damaged = data_loss("what a category is called by now cannot be read; restore a checkpoint");
          return false;
        }
        now_[before] = now;
        return true;
      }));
  return damaged;
}

std::string CategoryNames::name_now(const std::string& name) const {
  if (now_.empty()) return name;
  const auto number = names_.find(name);
  return number && now_.contains(*number) ? names_.name(now_.at(*number)) : name;
}

std::unordered_map<std::uint64_t, std::vector<std::string>> CategoryNames::old_names() const {
  std::unordered_map<std::uint64_t, std::vector<std::string>> all;
  for (const auto& [before, now] : now_) all[now].push_back(names_.name(before));
  for (auto& [now, names] : all) std::sort(names.begin(), names.end());
  return all;
}

Status CategoryNames::check(const std::string& from, const std::string& to, CategoryTarget target) const {
  if (to.empty() || to.size() > kIdBytesMax || to.find('\0') != std::string::npos) {
    return invalid_argument("a category has a name of 1 to 128 bytes without NUL");
  }
  const auto before = names_.find(from);
  if (!before) return not_found("no category is called " + quoted(from) + "; cairn categories list has them all");
  if (now(*before) != *before) {
    return not_found(quoted(from) + " is an old name of " + quoted(name_now(from)) + "; use that");
  }
  if (from == to) return invalid_argument(quoted(from) + " is called that already");
  const auto wanted = names_.find(to);
  if (target == CategoryTarget::kExisting) {
    if (!wanted) return not_found("no category is called " + quoted(to) + "; rename gives a category a new name");
    if (now(*wanted) == *before) return invalid_argument(quoted(to) + " is an old name of " + quoted(from));
    if (now(*wanted) != *wanted) {
      return not_found(quoted(to) + " is an old name of " + quoted(name_now(to)) + "; use that");
    }
    return ok_status();
  }
  // A name that was this category's own before may be taken up again.
  if (!wanted || now(*wanted) == *before) return ok_status();
  return Status(StatusCode::kAlreadyExists, "there is a category " + quoted(name_now(to)) +
                                                (name_now(to) == to ? "" : ", which was called " + quoted(to)) +
                                                "; merge makes one of the two");
}

CategoryNames::Changes CategoryNames::changes(const std::string& from, const std::string& to) const {
  const std::uint64_t before = names_.find(from).value();
  const std::uint64_t now = names_.find(to).value();
  Changes changes{{before, now}};
  for (const auto& [old, points_to] : now_) {
    if (points_to == before) changes[old] = now;
  }
  if (now_.contains(now)) changes[now] = now;  // an old name that is taken up again points nowhere
  return changes;
}

void CategoryNames::put(const Changes& changes, storage::WriteBatch* batch) {
  for (const auto& [before, now] : changes) {
    if (before == now) {
      batch->remove(storage::Family::kMeta, key_of(before));
      continue;
    }
    std::string bytes;
    ByteWriter(&bytes).integer(now);
    batch->put(storage::Family::kMeta, key_of(before), bytes);
  }
}

void CategoryNames::apply(const Changes& changes) {
  for (const auto& [before, now] : changes) {
    if (before == now) {
      now_.erase(before);
    } else {
      now_[before] = now;
    }
  }
}

}  // namespace cairn::state
