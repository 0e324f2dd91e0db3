#include "engine/model/safetensors.h"

#include <doctest/doctest.h>

#include <cstring>
#include <random>

#include "tests/support/temporary_folder.h"

using namespace cairn;
using namespace cairn::model;
using cairn::test::TemporaryFolder;

namespace {

std::string file_of(const std::string& header, const std::string& data) {
  std::string file(8, '\0');
  const std::uint64_t length = header.size();
  std::memcpy(file.data(), &length, 8);
  return file + header + data;
}

Result<TensorFile> read_content(const TemporaryFolder& scratch, const std::string& content) {
  return TensorFile::read(scratch.write("t.safetensors", content));
}

const std::vector<float> kFloats = {1.5F, -2.0F, 3.0F, 0.0F, 5.0F, 6.0F};
const std::vector<std::uint8_t> kBytes = {'a', 'b', 'c'};
const std::vector<std::int64_t> kLongs = {-1, INT64_MAX};
const std::vector<Half> kHalves = {{0x3c00}, {0xfbff}, {0x0001}};

std::string write_sample(const TemporaryFolder& scratch) {
  const std::string path = scratch / "sample.safetensors";
  const Status written = write_safetensors(
      path,
      {tensor("bytes", {3}, std::span(kBytes)), tensor("floats", {2, 3}, std::span(kFloats)),
       tensor("longs", {2}, std::span(kLongs)), tensor("halves", {3, 1}, std::span(kHalves)),
       tensor("nothing", {0, 7}, std::span<const float>()), tensor("scalar", {}, std::span(kFloats).first(1))},
      {{"written by", "a \"test\""}});
  REQUIRE_MESSAGE(written.ok(), written.to_string());
  return path;
}

}  // namespace

TEST_CASE("what is written is read back, aligned, with its shapes") {
  const TemporaryFolder scratch;
  const auto file = TensorFile::read(write_sample(scratch));
  REQUIRE_MESSAGE(file.ok(), file.status().to_string());
  std::vector<std::size_t> shape;
  const auto floats = file->values<float>("floats", 2, &shape);
  REQUIRE_MESSAGE(floats.ok(), floats.status().to_string());
  CHECK(std::vector(floats->begin(), floats->end()) == kFloats);
  CHECK(shape == std::vector<std::size_t>{2, 3});
  const auto longs = file->values<std::int64_t>("longs", 1);
  REQUIRE(longs.ok());
  CHECK(std::vector(longs->begin(), longs->end()) == kLongs);
  const auto halves = file->values<Half>("halves", 2);
  REQUIRE(halves.ok());
  CHECK(std::vector(halves->begin(), halves->end()) == kHalves);
  CHECK(file->values<float>("nothing", 2)->empty());
  CHECK(file->values<float>("scalar", 0)->size() == 1);
  CHECK(file->metadata() == std::map<std::string, std::string>{{"written by", "a \"test\""}});
  CHECK(file->find("absent") == nullptr);
}

TEST_CASE("the bytes are those of the published format") {
  // By hand, after the format's description: length, header padded with blanks to 8 bytes, little-endian values.
  const TemporaryFolder scratch;
  const std::vector<std::uint32_t> values = {1, 256};
  REQUIRE(write_safetensors(scratch / "x", {tensor("v", {2}, std::span(values))}).ok());
  const std::string header = R"({"v":{"dtype":"U32","shape":[2],"data_offsets":[0,8]}})";
  std::string padded = header;
  while (padded.size() % 8 != 0) padded += ' ';
  CHECK(scratch.read("x") == file_of(padded, std::string("\x01\0\0\0\0\x01\0\0", 8)));
}

TEST_CASE("asking for another type, another rank or an absent tensor is answered with file and tensor") {
  const TemporaryFolder scratch;
  const auto file = TensorFile::read(write_sample(scratch));
  REQUIRE(file.ok());
  for (const Status& status : {file->values<std::int32_t>("floats", 2).status(),
                               file->values<float>("floats", 1).status(), file->values<float>("floats2", 2).status()}) {
    CHECK(status.code() == StatusCode::kInvalidArgument);
    CHECK(status.message().find("sample.safetensors") != std::string::npos);
    CHECK(status.message().find("'floats") != std::string::npos);
  }
}

TEST_CASE("a file of another producer is read: any order, blanks, no padding") {
  const TemporaryFolder scratch;
  const auto file =
      read_content(scratch, file_of("{ \"b\" : {\"shape\":[1],\"data_offsets\":[4,5],\"dtype\":\"I8\"},\n"
                                    "\"__metadata__\":{\"format\":\"pt\"}, \"a\":{\"dtype\":\"F32\",\"shape\":[1,1],"
                                    "\"data_offsets\":[0,4]}}\n",
                                    std::string("\0\0\x80\x3f\xff", 5)));
  REQUIRE_MESSAGE(file.ok(), file.status().to_string());
  CHECK((*file->values<float>("a", 2))[0] == 1.0F);
  CHECK((*file->values<std::int8_t>("b", 1))[0] == -1);
}

TEST_CASE("malformed files are refused with the file's name") {
  const TemporaryFolder scratch;
  const std::string good = R"("a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]})";
  const std::string data(8, 'x');
  const struct {
    const char* what;
    std::string content;
  } cases[] = {
      {"empty", ""},
      {"shorter than the length", "abc"},
      {"length past the end", file_of("{}", "").replace(0, 1, 1, '\x7f')},
      {"length of all ones", std::string(8, '\xff') + "{}"},
      {"no header", file_of("", data)},
      {"no object", file_of("[]", "")},
      {"blank first", file_of(" {}", "")},
      {"cut JSON", file_of("{" + good, data)},
      {"text after the header", file_of("{" + good + "} x", data)},
      {"tensor is a number", file_of(R"({"a":1})", "")},
      {"tensor is null", file_of(R"({"a":null})", "")},
      {"tensor is an array", file_of(R"({"a":[]})", "")},
      {"no dtype", file_of(R"({"a":{"shape":[2],"data_offsets":[0,8]}})", data)},
      {"no shape", file_of(R"({"a":{"dtype":"F32","data_offsets":[0,8]}})", data)},
      {"no offsets", file_of(R"({"a":{"dtype":"F32","shape":[2]}})", data)},
      {"unknown key", file_of(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8],"b":"c"}})", data)},
      {"dtype twice", file_of(R"({"a":{"dtype":"F32","dtype":"F32","shape":[2],"data_offsets":[0,8]}})", data)},
      {"tensor twice", file_of("{" + good + "," + good + "}", data)},
      {"metadata twice", file_of(R"({"__metadata__":{},"__metadata__":{}})", "")},
      {"metadata of numbers", file_of(R"({"__metadata__":{"a":1}})", "")},
      {"metadata key twice", file_of(R"({"__metadata__":{"a":"1","a":"2"}})", "")},
      {"shape and offsets differ, of a dtype that is not read",
       file_of(R"({"a":{"dtype":"BF16","shape":[3],"data_offsets":[0,8]}})", data)},
      {"dtype is a number", file_of(R"({"a":{"dtype":32,"shape":[2],"data_offsets":[0,8]}})", data)},
      {"negative size", file_of(R"({"a":{"dtype":"F32","shape":[-2],"data_offsets":[0,8]}})", data)},
      {"fraction of a size", file_of(R"({"a":{"dtype":"F32","shape":[2.0],"data_offsets":[0,8]}})", data)},
      {"nested shape", file_of(R"({"a":{"dtype":"F32","shape":[[2]],"data_offsets":[0,8]}})", data)},
      {"shape and offsets differ", file_of(R"({"a":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}})", data)},
      {"product wraps to 8",
       file_of(R"({"a":{"dtype":"F32","shape":[4611686018427387905,4,2],"data_offsets":[0,8]}})", data)},
      {"product wraps to 0",
       file_of(R"({"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0]}})", "")},
      {"one offset", file_of(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[8]}})", data)},
      {"three offsets", file_of(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8,8]}})", data)},
      {"offsets backwards", file_of(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}})", data)},
      {"past the end", file_of("{" + good + "}", data.substr(1))},
      {"bytes of no tensor", file_of("{" + good + "}", data + "x")},
      {"bytes before the first", file_of(R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[4,8]}})", data)},
      {"overlap", file_of("{" + good + R"(,"b":{"dtype":"U8","shape":[4],"data_offsets":[4,8]}})", data)},
      {"the same bytes twice", file_of("{" + good + R"(,"b":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})", data)},
      {"offset past 2^64",
       file_of(R"({"a":{"dtype":"U8","shape":[8],"data_offsets":[0,18446744073709551616]}})", data)},
      {"bad UTF-8", file_of("{\"\xff\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", data)},
      {"deep nesting", file_of(std::string(100'000, '{'), "")},
  };
  for (const auto& [what, content] : cases) {
    INFO(what);
    const auto file = read_content(scratch, content);
    REQUIRE(!file.ok());
    INFO(file.status().to_string());
    CHECK(file.status().code() == StatusCode::kInvalidArgument);
    CHECK(file.status().message().find("t.safetensors") != std::string::npos);
  }
}

TEST_CASE("a tensor that begins at an odd byte is read like any other") {
  const TemporaryFolder scratch;
  const auto file = read_content(scratch, file_of(R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},)"
                                                  R"("b":{"dtype":"F32","shape":[2],"data_offsets":[1,9]},)"
                                                  R"("c":{"dtype":"I64","shape":[1],"data_offsets":[9,17]}})",
                                                  std::string("x\0\0\x80\x3f\0\0\0\x40\xff\0\0\0\0\0\0\0", 17)));
  REQUIRE_MESSAGE(file.ok(), file.status().to_string());
  const auto floats = file->values<float>("b", 1);
  REQUIRE_MESSAGE(floats.ok(), floats.status().to_string());
  CHECK(std::vector(floats->begin(), floats->end()) == std::vector{1.0F, 2.0F});
  CHECK((*file->values<std::int64_t>("c", 1))[0] == 255);
}

TEST_CASE("tensors of dtypes and ranks that nobody asks for do not keep a file from being read") {
  const TemporaryFolder scratch;
  const auto file =
      read_content(scratch, file_of(R"({"a":{"dtype":"BF16","shape":[2],"data_offsets":[0,4]},)"
                                    R"("b":{"dtype":"F32","shape":[1],"data_offsets":[4,8]},)"
                                    R"("c":{"dtype":"X7","shape":[9],"data_offsets":[8,11]},)"
                                    R"("d":{"dtype":"U8","shape":[1,1,1,1,1,1,1,1,1],"data_offsets":[11,12]}})",
                                    std::string("\0\0\0\0\0\0\x80\x3f\0\0\0\0", 12)));
  REQUIRE_MESSAGE(file.ok(), file.status().to_string());
  CHECK((*file->values<float>("b", 1))[0] == 1.0F);
  CHECK(file->values<float>("a", 1).status().message().find("tensor 'a' is of BF16, not F32") != std::string::npos);
}

TEST_CASE("a file with any one byte changed is read or refused, never more") {
  const TemporaryFolder scratch;
  write_sample(scratch);
  const std::string whole = scratch.read("sample.safetensors");
  const std::uint64_t seed = 20250302;
  INFO("seed ", seed);
  std::mt19937_64 random(seed);
  std::size_t refused = 0;
  for (int round = 0; round < 3'000; ++round) {
    std::string changed = whole;
    const int changes = 1 + static_cast<int>(random() % 3);
    for (int i = 0; i < changes; ++i) changed[random() % changed.size()] = static_cast<char>(random());
    if (random() % 4 == 0) changed.resize(random() % changed.size());
    const auto file = read_content(scratch, changed);
    refused += !file.ok();
    if (!file.ok()) continue;
    std::size_t bytes = 0;
    for (const TensorView& tensor : file->tensors()) {
      for (const std::byte one : tensor.bytes) bytes += std::to_integer<std::size_t>(one) != 0;
    }
    CHECK(bytes <= changed.size());
  }
  CHECK(refused > 1'000);
}

TEST_CASE("absent files, folders and unwritable places are told apart") {
  const TemporaryFolder scratch;
  CHECK(TensorFile::read(scratch / "absent").status().code() == StatusCode::kNotFound);
  CHECK(TensorFile::read(scratch.path()).status().code() == StatusCode::kFailedPrecondition);
  CHECK(!write_safetensors(scratch / "no/such/folder", {}).ok());
}
