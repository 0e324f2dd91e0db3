#include "features/opening_hours.h"

#include <doctest/doctest.h>

#include <cstdio>
#include <string>
#include <vector>

using cairn::features::Holidays;
using cairn::features::LocalMinute;
using cairn::features::OpeningHours;
using cairn::features::Openness;

namespace {

/// "2026-11-27 22:30".
LocalMinute at(const char* text) {
  int year = 0;
  unsigned month = 0;
  unsigned day = 0;
  int hour = 0;
  int minute = 0;
  REQUIRE(std::sscanf(text, "%d-%u-%u %d:%d", &year, &month, &day, &hour, &minute) == 5);
  const auto date = std::chrono::year(year) / std::chrono::month(month) / std::chrono::day(day);
  REQUIRE(date.ok());
  return std::chrono::local_days(date) + std::chrono::hours(hour) + std::chrono::minutes(minute);
}

Holidays holidays() {
  const std::vector<std::string> days{"12-25", "2026-05-01"};
  const std::vector<std::string> school{"2026-07-01..2026-08-15"};
  auto made = Holidays::make(days, school);
  REQUIRE(made.ok());
  return *std::move(made);
}

constexpr Openness kOpen = Openness::kOpen;
constexpr Openness kClosed = Openness::kClosed;
constexpr Openness kUnknown = Openness::kUnknown;

struct Row {
  const char* hours;
  const char* time;
  Openness expected;
};

std::string problem(const std::string& text) {
  const auto read = OpeningHours::parse(text);
  return read.ok() ? "" : read.status().message();
}

}  // namespace

// Written by hand from a calendar: the 23rd of November 2026 is a Monday, the 1st of May a Friday, easter the 5th of
// April; the first week of 2026 begins on the 29th of December.
TEST_CASE("places are open when a table made by hand says so") {
  const Row rows[] = {
      // weekdays and several spans
      {"Mo-Fr 08:00-12:00,13:00-18:00", "2026-11-27 08:00", kOpen},
      {"Mo-Fr 08:00-12:00,13:00-18:00", "2026-11-27 12:00", kClosed},
      {"Mo-Fr 08:00-12:00,13:00-18:00", "2026-11-27 12:59", kClosed},
      {"Mo-Fr 08:00-12:00,13:00-18:00", "2026-11-27 17:59", kOpen},
      {"Mo-Fr 08:00-12:00, 13:00-18:00", "2026-11-27 13:00", kOpen},
      {"Mo-Fr 08:00-18:00", "2026-11-28 10:00", kClosed},
      {"Sa-Mo 08:00-18:00", "2026-11-29 10:00", kOpen},
      {"Sa-Mo 08:00-18:00", "2026-11-24 10:00", kClosed},
      {"mo-fr 8:00-18:00", "2026-11-27 10:00", kOpen},
      {"Mo,We,Fr 10:00-12:00", "2026-11-25 11:00", kOpen},
      {"Mo,We,Fr 10:00-12:00", "2026-11-26 11:00", kClosed},
      {"10:00-12:00", "2026-11-26 11:00", kOpen},
      {"Fr", "2026-11-27 03:00", kOpen},
      // rules beside rules, and in their place
      {"Mo-Fr 08:00-12:00, We 14:00-18:00", "2026-11-25 09:00", kOpen},
      {"Mo-Fr 08:00-12:00, We 14:00-18:00", "2026-11-25 15:00", kOpen},
      {"Mo-Fr 08:00-12:00; We 14:00-18:00", "2026-11-25 09:00", kClosed},
      {"Mo-Fr 08:00-12:00; We 14:00-18:00", "2026-11-26 09:00", kOpen},
      {"Mo-Su 08:00-18:00; Su off", "2026-11-29 09:00", kClosed},
      {"Mo-Su 08:00-18:00; We 12:00-14:00 off", "2026-11-25 13:00", kClosed},
      {"Mo-Su 08:00-18:00; We 12:00-14:00 off", "2026-11-25 15:00", kOpen},
      {"24/7", "2026-11-29 04:00", kOpen},
      {"24/7; Su closed", "2026-11-29 04:00", kClosed},
      {"off", "2026-11-29 04:00", kClosed},
      // over midnight
      {"Fr 20:00-04:00", "2026-11-27 23:59", kOpen},
      {"Fr 20:00-04:00", "2026-11-28 03:59", kOpen},
      {"Fr 20:00-04:00", "2026-11-28 04:00", kClosed},
      {"Fr 20:00-04:00", "2026-11-27 03:00", kClosed},
      {"Fr 20:00-28:00", "2026-11-28 03:59", kOpen},
      {"Fr 20:00-04:00; Sa off", "2026-11-28 02:00", kOpen},
      {"Fr 20:00-04:00; Sa 10:00-12:00", "2026-11-28 02:00", kOpen},
      {"Fr 20:00-04:00; Sa 00:00-04:00 off", "2026-11-28 02:00", kClosed},
      {"Fr 10:00-24:00", "2026-11-27 23:59", kOpen},
      {"Fr 10:00-24:00", "2026-11-28 00:00", kClosed},
      {"Fr 10:00-00:00", "2026-11-27 23:59", kOpen},
      {"Th 18:00-18:00", "2026-11-27 17:59", kOpen},
      // holidays: the 25th of December 2026 is a Friday
      {"Mo-Fr 08:00-18:00; PH off", "2026-12-25 10:00", kClosed},
      {"Mo-Fr 08:00-18:00; PH off", "2027-12-25 10:00", kClosed},
      {"Mo-Fr 08:00-18:00; PH off", "2026-05-01 10:00", kClosed},
      {"Mo-Fr 08:00-18:00; PH off", "2026-12-24 10:00", kOpen},
      {"Mo-Fr 08:00-18:00; PH 10:00-11:00", "2026-12-25 10:30", kOpen},
      {"Sa,Su,PH 12:00-16:00", "2026-12-25 13:00", kOpen},
      {"PH,Su 12:00-16:00", "2026-11-29 13:00", kOpen},
      {"Th 20:00-03:00; PH off", "2026-12-25 02:00", kOpen},
      {"SH 10:00-16:00", "2026-07-06 12:00", kOpen},
      {"SH 10:00-16:00", "2026-08-16 12:00", kClosed},
      {"SH Mo-Fr 10:00-16:00", "2026-07-06 12:00", kOpen},
      {"SH Mo-Fr 10:00-16:00", "2026-07-05 12:00", kClosed},
      {"SH Mo-Fr 10:00-16:00", "2026-11-27 12:00", kClosed},
      // months and dates
      {"Apr-Sep Mo-Fr 08:00-20:00; Oct-Mar Mo-Fr 09:00-17:00", "2026-11-27 08:30", kClosed},
      {"Apr-Sep Mo-Fr 08:00-20:00; Oct-Mar Mo-Fr 09:00-17:00", "2026-11-27 09:30", kOpen},
      {"Apr-Sep: 08:00-20:00", "2026-09-30 19:00", kOpen},
      {"Apr-Sep 08:00-20:00", "2026-10-01 19:00", kClosed},
      {"Dec 24-26 off; 08:00-18:00", "2026-12-25 10:00", kOpen},  // the later rule is of every day
      {"08:00-18:00; Dec 24-26 off", "2026-12-26 10:00", kClosed},
      {"08:00-18:00; Dec 24-Jan 02 off", "2027-01-02 10:00", kClosed},
      {"08:00-18:00; Dec 24-Jan 02 off", "2027-01-03 10:00", kOpen},
      {"08:00-18:00; Jan 01,Dec 25 off", "2026-01-01 10:00", kClosed},
      {"08:00-18:00; Dec 24,31 10:00-12:00", "2026-12-31 09:00", kClosed},
      {"08:00-18:00; Dec 24,31 10:00-12:00", "2026-12-24 11:00", kOpen},
      {"Feb 29 10:00-12:00", "2027-03-01 11:00", kClosed},
      {"Feb 29 10:00-12:00", "2028-02-29 11:00", kOpen},
      {"2026 Mo-Fr 08:00-18:00", "2026-11-27 10:00", kOpen},
      {"2025 Mo-Fr 08:00-18:00", "2026-11-27 10:00", kClosed},
      {"2024-2026 08:00-18:00", "2026-11-27 10:00", kOpen},
      {"2025+ 08:00-18:00", "2026-11-27 10:00", kOpen},
      {"2026 Dec 24-2027 Jan 06 10:00-12:00", "2027-01-06 11:00", kOpen},
      {"2026 Dec 24-2027 Jan 06 10:00-12:00", "2026-01-05 11:00", kClosed},
      {"2026 Nov 27 10:00-12:00", "2026-11-27 11:00", kOpen},
      {"08:00-18:00; easter off", "2026-04-05 10:00", kClosed},
      {"08:00-18:00; easter -2 days off", "2026-04-03 10:00", kClosed},
      {"08:00-18:00; easter +1 day off", "2026-04-06 10:00", kClosed},
      {"08:00-18:00; easter +1 day off", "2026-04-07 10:00", kOpen},
      // weeks
      {"week 1 10:00-12:00", "2025-12-29 11:00", kOpen},
      {"week 1 10:00-12:00", "2026-01-05 11:00", kClosed},
      {"week 2-52/2 We 10:00-12:00", "2026-11-25 11:00", kOpen},  // week 48
      {"week 1-53/2 We 10:00-12:00", "2026-11-25 11:00", kClosed},
      // places in the month
      {"We[1] 10:00-12:00", "2026-11-04 11:00", kOpen},
      {"We[1] 10:00-12:00", "2026-11-11 11:00", kClosed},
      {"We[-1] 10:00-12:00", "2026-11-25 11:00", kOpen},
      {"We[2,4] 10:00-12:00", "2026-11-25 11:00", kOpen},
      {"We[1-3] 10:00-12:00", "2026-11-25 11:00", kClosed},
      // what nobody can say
      {"Mo-Fr 08:00-12:00 || \"by appointment\"", "2026-11-27 15:00", kUnknown},
      {"Mo-Fr 08:00-12:00 || \"by appointment\"", "2026-11-27 09:00", kOpen},
      {"Fr 18:00+", "2026-11-27 17:00", kClosed},
      {"Fr 18:00+", "2026-11-27 20:00", kUnknown},
      {"Fr 18:00+", "2026-11-28 03:59", kUnknown},
      {"Fr 18:00+", "2026-11-28 04:00", kClosed},
      {"Fr 18:00-22:00+", "2026-11-27 20:00", kOpen},
      {"Fr 18:00-22:00+", "2026-11-27 22:00", kUnknown},
      {"Mo-Fr 10:00-12:00 unknown \"ask\"", "2026-11-27 11:00", kUnknown},
      {"Mo-Fr 10:00-12:00 open \"ring\"", "2026-11-27 11:00", kOpen},
  };
  const Holidays days = holidays();
  for (const Row& row : rows) {
    CAPTURE(row.hours);
    CAPTURE(row.time);
    const auto hours = OpeningHours::parse(row.hours);
    REQUIRE_MESSAGE(hours.ok(), hours.status().to_string());
    CHECK(hours->at(at(row.time), days) == row.expected);
  }
}

TEST_CASE("without holidays no day is one") {
  const auto hours = OpeningHours::parse("Mo-Fr 08:00-18:00; PH off");
  REQUIRE(hours.ok());
  CHECK(hours->at(at("2026-12-25 10:00"), {}) == kOpen);
}

TEST_CASE("what is no opening hours is told of with the column and the remedy") {
  CHECK(problem("Mo-Fr 8-18") == "column 7: a time such as 08:00 is expected");
  CHECK(problem("") == "column 1: a day, a month, a time such as 08:00-18:00, 24/7 or off is expected");
  CHECK(problem("always") == "column 1: a day, a month, a time such as 08:00-18:00, 24/7 or off is expected");
  CHECK(problem("Mo-Fr 08:00-18:00 Sa") == "column 19: ';', ',' or the end is expected");
  CHECK(problem("Mo-Xx 08:00-18:00") == "column 4: a day of the week such as Fr is expected");
  CHECK(problem("08:00-25:99") == "column 12: a time from 00:00 to 48:00 is expected");
  CHECK(problem("24:00-25:00") == "column 6: a time from 00:00 to 23:59 is expected");
  CHECK(problem("08:00") == "column 6: '-' and the time of closing is expected");
  CHECK(problem("sunrise-sunset") == "column 1: sunrise, sunset, dawn and dusk are not read; write times");
  CHECK(problem("08:00-sunset").find("are not read") != std::string::npos);
  CHECK(problem("10:00-16:00/90").find("steps are not read") != std::string::npos);
  CHECK(problem("PH +1 day off").find("days counted from others are not read") != std::string::npos);
  CHECK(problem("Mo \"call").find("no closing quote") != std::string::npos);
  CHECK(problem("We[6] 10:00-12:00").find("from 1 to 5") != std::string::npos);
  CHECK(problem("week 60 10:00-12:00").find("from 1 to 53") != std::string::npos);
  CHECK(problem(std::string(5000, ' ')).find("4,096") != std::string::npos);
}

TEST_CASE("a day that no year has is refused, wherever it stands, and the 29th of February is one") {
  const std::string february = "no year has Feb 30; write Feb 29, or Feb alone for the whole month";
  CHECK(problem("Feb 30 10:00-12:00") == "column 5: " + february);
  CHECK(problem("2028 Feb 30 10:00-12:00") == "column 10: " + february);
  CHECK(problem("Feb 01-30 10:00-12:00") == "column 8: " + february);
  CHECK(problem("Feb 28,30 10:00-12:00") == "column 8: " + february);
  CHECK(problem("Jan 15-feb 30 off") == "column 12: " + february);
  CHECK(problem("Mo-Fr 08:00-18:00; Dec 24,Apr 31 off") ==
        "column 31: no year has Apr 31; write Apr 30, or Apr alone for the whole month");
  for (const std::string month : {"Feb", "Apr", "Jun", "Sep", "Nov"}) {
    CAPTURE(month);
    CHECK(problem(month + " 31").find("no year has " + month + " 31") != std::string::npos);
    CHECK(problem(month + " 29").empty());
    CHECK(problem(month + " 30").empty() == (month != "Feb"));
  }
  for (const std::string month : {"Jan", "Mar", "May", "Jul", "Aug", "Oct", "Dec"})
    CHECK(problem(month + " 31").empty());
  CHECK(problem("Jan 32").find("a day of the month is expected") != std::string::npos);
}

TEST_CASE("a word that is no day of holidays is named") {
  const std::vector<std::string> none;
  const auto wrong = [&](const std::string& word) {
    const std::vector<std::string> words{word};
    const auto made = Holidays::make(words, none);
    return made.ok() ? std::string() : made.status().message();
  };
  CHECK(wrong("2026-02-30").starts_with("'2026-02-30' is no day; write it as 2026-12-25"));
  CHECK_FALSE(wrong("2026-08-31..2026-07-01").empty());
  CHECK_FALSE(wrong("christmas").empty());
  CHECK(wrong("02-29").empty());
}
