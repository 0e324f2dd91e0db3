#include "tests/system/streams/trace.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <sstream>
#include <stdexcept>
#include <utility>

namespace cairn::test {

namespace {

std::vector<std::string> lines_of(const std::string& path) {
  std::FILE* pipe = ::popen(("gzip -dc '" + path + "'").c_str(), "r");
  if (pipe == nullptr) throw std::runtime_error("cannot run gzip");
  std::vector<std::string> lines;
  char* line = nullptr;
  std::size_t room = 0;
  for (ssize_t size; (size = ::getline(&line, &room, pipe)) > 0;) {
    while (size > 0 && (line[size - 1] == '\n' || line[size - 1] == '\r')) --size;
    lines.emplace_back(line, static_cast<std::size_t>(size));
  }
  std::free(line);
  if (::pclose(pipe) != 0) throw std::runtime_error("gzip -dc " + path + " failed");
  return lines;
}

std::vector<std::string> split(const std::string& line, char separator) {
  std::vector<std::string> fields;
  std::istringstream in(line);
  for (std::string field; std::getline(in, field, separator);) fields.push_back(field);
  return fields;
}

std::int64_t seconds_of(const std::string& time) {
  std::tm parts{};
  if (::strptime(time.c_str(), "%Y-%m-%dT%H:%M:%SZ", &parts) == nullptr) throw std::runtime_error("no time: " + time);
  return ::timegm(&parts);
}

void sort_by_time(std::vector<CheckIn>* check_ins) {
  std::stable_sort(check_ins->begin(), check_ins->end(),
                   [](const CheckIn& a, const CheckIn& b) { return a.seconds < b.seconds; });
}

}  // namespace

std::string data_folder() {
  const char* set = std::getenv("CAIRN_DATA");
  const std::string folder = set != nullptr ? set : std::string(CAIRN_SOURCE_DIR) + "/../shared/data";
  return std::filesystem::exists(folder + "/foursquare_nyc") ? folder : "";
}

Trace read_foursquare(const std::string& folder) {
  Trace trace{"foursquare_nyc", {}, {}};
  bool header = true;
  for (const std::string& line : lines_of(folder + "/foursquare_nyc/places.csv.gz")) {
    if (std::exchange(header, false)) continue;
    const auto fields = split(line, ',');
    trace.places.push_back({PlaceId(fields.at(0)), "", {std::stod(fields.at(1)), std::stod(fields.at(2))}, ""});
  }
  header = true;
  for (const std::string& line : lines_of(folder + "/foursquare_nyc/checkins.csv.gz")) {
    if (std::exchange(header, false)) continue;
    const auto fields = split(line, ',');
    trace.check_ins.push_back({fields.at(0), fields.at(1), fields.at(2), seconds_of(fields.at(2))});
  }
  sort_by_time(&trace.check_ins);
  return trace;
}

Trace read_gowalla(const std::string& folder) {
  Trace trace{"gowalla_nyc", {}, {}};
  for (const std::string& line : lines_of(folder + "/gowalla_nyc/venues.tsv.gz")) {
    const auto fields = split(line, '\t');
    trace.places.push_back(
        {PlaceId(fields.at(0)), fields.at(1), {std::stod(fields.at(2)), std::stod(fields.at(3))}, ""});
  }
  for (const std::string& line : lines_of(folder + "/gowalla_nyc/events.tsv.gz")) {
    const auto fields = split(line, '\t');
    trace.check_ins.push_back({fields.at(0), fields.at(4), fields.at(1), seconds_of(fields.at(1))});
  }
  sort_by_time(&trace.check_ins);
  return trace;
}

Trace made_up_trace(std::mt19937& random) {
  Trace made{"made_up", {}, {}};
  std::int64_t seconds = 1'600'000'000;
  for (int i = 0; i < 60'000; ++i) {
    seconds += random() % 60;
    const std::string user = std::to_string(random() % 900);
    const std::string place = std::to_string(random() % 3000);
    made.check_ins.push_back({user, place, time_text(seconds), seconds});
  }
  return made;
}

std::string time_text(std::int64_t seconds) {
  char text[32];
  const std::time_t when = seconds;
  std::tm utc{};
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", ::gmtime_r(&when, &utc));
  return text;
}

std::string to_json(const CheckIn& check_in) {
  return R"({"user_id":")" + check_in.user + R"(","place_id":")" + check_in.place + R"(","type":"visit","ts":")" +
         check_in.time + "\"}";
}

Totals aggregate(const Trace& trace) {
  Totals totals;
  for (const CheckIn& one : trace.check_ins) {
    const std::int64_t hour = one.seconds / 3600;
    const std::time_t seconds = one.seconds;
    std::tm utc{};
    ::gmtime_r(&seconds, &utc);
    const int day = (utc.tm_wday + 6) % 7;  // tm_wday counts from Sunday
    ++totals.events;
    ++totals.by_place[one.place];
    ++totals.by_user[one.user];
    ++totals.by_place_and_hour[{one.place, hour}];
    ++totals.by_place_and_hour_of_week[{one.place, day * 24 + utc.tm_hour}];
  }
  return totals;
}

}  // namespace cairn::test
