#include "engine/upkeep/schedule.h"

#include <doctest/doctest.h>

#include <initializer_list>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace {

using namespace cairn;
using namespace std::chrono_literals;
using upkeep::Schedule;

/// What chores did, for a test to wait on.
class Diary {
 public:
  void write(const std::string& line) {
    {
      const MutexLock lock(mutex_);
      lines_.push_back(line);
    }
    changed_.notify_all();
  }
  /// Waits until there are `count` lines. Returns: the first of them.
  std::vector<std::string> await(std::size_t count) {
    const MutexLock lock(mutex_);
    while (lines_.size() < count) changed_.wait(mutex_);
    return {lines_.begin(), lines_.begin() + static_cast<std::ptrdiff_t>(count)};
  }
  std::size_t size() {
    const MutexLock lock(mutex_);
    return lines_.size();
  }

 private:
  Mutex mutex_;
  CondVar changed_;
  std::vector<std::string> lines_ CAIRN_GUARDED_BY(mutex_);
};

TEST_CASE("chores are done in order when the schedule starts, and again each period") {
  Diary diary;
  const Schedule schedule({[&] { diary.write("index"); }, [&] { diary.write("places"); }}, 1ms);
  CHECK(diary.await(4) == std::vector<std::string>{"index", "places", "index", "places"});
}

TEST_CASE("a call brings the next round at once, and one during a round brings another") {
  Diary diary;
  Diary door;
  // The period is longer than any test: what comes after the first round comes of calls.
  Schedule schedule({[&] {
                      diary.write("round");
                      if (diary.size() == 2) door.await(1);
                    }},
                    24h);
  diary.await(1);
  schedule.call();
  diary.await(2);   // the second round stands at the door
  schedule.call();  // it may have passed what the caller means, so a third one is owed
  door.write("open");
  CHECK(diary.await(3).size() == 3);
}

TEST_CASE("a chore that throws is logged, and the others are done, and it again in the next round") {
  Diary diary;
  const Logger log([&](LogLevel, std::string_view event, std::string_view message, std::initializer_list<LogField>) {
    diary.write(std::string(event) + ": " + std::string(message));
  });
  const Schedule schedule({[] { throw std::runtime_error("no room"); }, [&] { diary.write("the other"); }}, 1ms, log);
  const auto lines = diary.await(4);
  CHECK(lines ==
        std::vector<std::string>{"upkeep.exception: no room", "the other", "upkeep.exception: no room", "the other"});
}

TEST_CASE("stopping waits for the chore under way and leaves out the rest") {
  Diary diary;
  Diary door;
  Schedule schedule({[&] {
                       diary.write("first");
                       door.await(1);
                       diary.write("first is done");
                     },
                     [&] { diary.write("second"); }},
                    24h);
  diary.await(1);
  std::jthread stopper([&] { schedule.stop(); });
  // The stop request is visible before the door opens, since stop() asks first and waits then. Whether it has asked yet
  // cannot be seen from here, so the second chore may run: what must hold is that nothing runs after stop() returned.
  door.write("open");
  stopper.join();
  const std::size_t lines = diary.size();
  CHECK(diary.await(2)[1] == "first is done");
  schedule.call();
  schedule.stop();
  CHECK(diary.size() == lines);
}

}  // namespace
