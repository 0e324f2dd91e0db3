#include "cairn/shared_list.h"

#include <doctest/doctest.h>

#include <stdexcept>
#include <string>

namespace {

using cairn::SharedList;

TEST_CASE("a list without elements is empty, whatever is asked of it") {
  const SharedList<int> none;
  CHECK(none.empty());
  CHECK(none.size() == 0);
  CHECK(none.begin() == none.end());
  CHECK_THROWS_AS((void)none.at(0), std::out_of_range);
}

TEST_CASE("copies share their elements until one of them is edited") {
  SharedList<std::string> first{"a", "b"};
  SharedList<std::string> second = first;
  CHECK(&first[0] == &second[0]);
  second.edit().push_back("c");
  CHECK(first.size() == 2);
  CHECK(second.size() == 3);
  CHECK(second.back() == "c");
  CHECK(&first[0] != &second[0]);
  const std::string* where = &first[0];
  first.edit()[0] = "z";  // nobody shares it any more
  CHECK(&first[0] == where);
  CHECK(first.front() == "z");
  CHECK(second.front() == "a");
}

}  // namespace
