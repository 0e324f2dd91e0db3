#include "engine/model/safetensors.h"

#include <algorithm>
#include <bit>
#include <optional>
#include <utility>

#include "engine/model/digest.h"
#include "engine/model/files.h"
#include "engine/model/json/tensor_header.h"

namespace cairn::model {
namespace {

static_assert(std::endian::native == std::endian::little, "tensors are read where they lie");

constexpr std::string_view kDtypes[] = {"U8", "I8", "F16", "F32", "I32", "U32", "I64", "U64"};
constexpr std::size_t kDtypeBytes[] = {1, 1, 2, 4, 4, 4, 8, 8};
/// Of the format too, and read by nobody here.
constexpr std::pair<std::string_view, std::size_t> kOtherDtypes[] = {
    {"BOOL", 1}, {"F8_E5M2", 1}, {"F8_E4M3", 1}, {"I16", 2}, {"U16", 2}, {"BF16", 2}, {"F64", 8}, {"C64", 8}};
constexpr std::size_t kLengthBytes = 8;
constexpr std::size_t kAlignment = 8;  ///< of the data's beginning

std::optional<Dtype> dtype_of(std::string_view name) {
  const auto found = std::find(std::begin(kDtypes), std::end(kDtypes), name);
  if (found == std::end(kDtypes)) return std::nullopt;
  return static_cast<Dtype>(found - std::begin(kDtypes));
}

std::string shape_text(std::span<const std::size_t> shape) {
  std::string text;
  for (const std::size_t size : shape) text += (text.empty() ? "" : " x ") + std::to_string(size);
  return shape.empty() ? "a scalar" : text;
}

/// Bytes in memory, read like a file.
class InputBytes {
 public:
  explicit InputBytes(std::span<const std::byte> bytes) : bytes_(bytes) {}

  [[nodiscard]] std::uint64_t bytes() const noexcept { return bytes_.size(); }
  [[nodiscard]] Status read(std::span<std::byte> out) {
    CAIRN_CHECK(out.size() <= bytes_.size() - at_);  // the header was checked against the size
    std::copy_n(bytes_.begin() + static_cast<std::ptrdiff_t>(at_), out.size(), out.begin());
    at_ += out.size();
    return ok_status();
  }

 private:
  const std::span<const std::byte> bytes_;
  std::size_t at_ = 0;
};

template <class Input>
Result<std::string> read_header(Input* file) {
  std::uint64_t length = 0;
  if (file->bytes() < kLengthBytes) return invalid_argument("is no safetensors file: it has less than 8 bytes");
  CAIRN_RETURN_IF_ERROR(file->read(std::as_writable_bytes(std::span(&length, 1))));
  if (length > TensorFile::kHeaderBytesMax || length > file->bytes() - kLengthBytes) {
    return invalid_argument("is no safetensors file: it says that its header has " + std::to_string(length) + " bytes");
  }
  std::string json(length, '\0');
  CAIRN_RETURN_IF_ERROR(file->read(std::as_writable_bytes(std::span(json))));
  if (!json.starts_with('{')) return invalid_argument("is no safetensors file: its header does not begin with '{'");
  return json;
}

/// The size of a number of any dtype. Returns: nullopt for one of later versions of the format.
std::optional<std::size_t> number_bytes(std::string_view dtype) {
  if (const auto known = dtype_of(dtype)) return bytes_of(*known);
  for (const auto& [name, bytes] : kOtherDtypes) {
    if (name == dtype) return bytes;
  }
  return std::nullopt;
}

/// Returns: nullopt when the product passes 2^63.
std::optional<std::uint64_t> bytes_of_shape(std::size_t number_bytes, std::span<const std::uint64_t> shape) {
  const bool empty = std::find(shape.begin(), shape.end(), 0U) != shape.end();
  std::uint64_t bytes = number_bytes;
  for (const std::uint64_t size : shape) {
    if (!empty && size > (std::uint64_t{1} << 63) / bytes) return std::nullopt;
    bytes = empty ? 0 : bytes * size;
  }
  return bytes;
}

/// Checks an entry against the bytes [begin, data_bytes) that are not taken yet.
Status check_entry(const TensorEntry& entry, std::uint64_t begin, std::uint64_t data_bytes) {
  const std::string offsets = "[" + std::to_string(entry.begin) + ", " + std::to_string(entry.end) + "]";
  if (entry.end < entry.begin || entry.end > data_bytes) {
    return invalid_argument("has data_offsets " + offsets + " outside of the " + std::to_string(data_bytes) +
                            " bytes of data");
  }
  const auto number = number_bytes(entry.dtype);
  if (number && bytes_of_shape(*number, entry.shape) != entry.end - entry.begin) {
    return invalid_argument("has data_offsets " + offsets + ", which is not what its shape takes");
  }
  if (entry.begin != begin) {
    return invalid_argument("begins at " + std::to_string(entry.begin) + ", not where the one before it ends, " +
                            std::to_string(begin));
  }
  return ok_status();
}

Status tensor_fault(const std::string& path, std::string_view name, const std::string& fault) {
  return invalid_argument(path + ": tensor '" + std::string(name) + "' " + fault);
}

/// Orders the entries by their bytes, and checks that they are what stands there.
Status order_and_check(const std::string& path, std::uint64_t data_bytes, TensorHeader* header) {
  std::stable_sort(header->tensors.begin(), header->tensors.end(), [](const TensorEntry& a, const TensorEntry& b) {
    return std::pair(a.begin, a.end) < std::pair(b.begin, b.end);
  });
  std::uint64_t begin = 0;
  for (const TensorEntry& entry : header->tensors) {
    const Status checked = check_entry(entry, begin, data_bytes);
    if (!checked.ok()) return tensor_fault(path, entry.name, checked.message());
    begin = entry.end;
  }
  if (begin == data_bytes) return ok_status();
  return invalid_argument(path + ": the last " + std::to_string(data_bytes - begin) + " bytes belong to no tensor");
}

/// What stands before the data of an opened file.
struct Head {
  std::string json = {};
  TensorHeader header = {};
  std::uint64_t data_bytes = 0;
};

template <class Input>
Result<Head> read_head(const std::string& path, Input* input) {
  auto json = read_header(input);
  if (!json.ok()) return std::move(json).status().with_context(path);
  auto header = parse_tensor_header(*json);
  if (!header.ok()) return std::move(header).status().with_context(path + ": the header");
  Head head{.json = *std::move(json), .header = *std::move(header)};
  head.data_bytes = input->bytes() - kLengthBytes - head.json.size();
  CAIRN_RETURN_IF_ERROR(order_and_check(path, head.data_bytes, &head.header));
  return head;
}

TensorHeader header_of(std::span<const TensorView> tensors, const std::map<std::string, std::string>& metadata) {
  TensorHeader header{.metadata = metadata};
  std::uint64_t at = 0;
  for (const TensorView& tensor : tensors) {
    header.tensors.push_back({.name = tensor.name,
                              .dtype = std::string(to_string(tensor.dtype)),
                              .shape = {tensor.shape.begin(), tensor.shape.end()},
                              .begin = at,
                              .end = at + tensor.bytes.size()});
    CAIRN_CHECK(bytes_of_shape(bytes_of(tensor.dtype), header.tensors.back().shape) == tensor.bytes.size());
    at += tensor.bytes.size();
  }
  return header;
}

}  // namespace

std::string_view to_string(Dtype dtype) noexcept { return kDtypes[static_cast<std::size_t>(dtype)]; }
std::size_t bytes_of(Dtype dtype) noexcept { return kDtypeBytes[static_cast<std::size_t>(dtype)]; }

Result<TensorFile> TensorFile::read(const std::string& path) {
  CAIRN_ASSIGN_OR_RETURN(InputFile input, InputFile::open(path));
  return read_from(path, &input);
}

Result<TensorFile> TensorFile::parse(const std::string& name, std::span<const std::byte> bytes) {
  InputBytes input(bytes);
  return read_from(name, &input);
}

template <class Input>
Result<TensorFile> TensorFile::read_from(const std::string& path, Input* input) {
  TensorFile file;
  file.path_ = path;
  CAIRN_ASSIGN_OR_RETURN(Head head, read_head(path, input));
  file.place(std::move(head.header), head.data_bytes);
  CAIRN_RETURN_IF_ERROR(input->read(file.data_));
  file.align();
  Digest digest;
  digest.add(std::as_bytes(std::span(head.json)));
  digest.add(file.data_);
  file.digest_ = digest.value();
  return file;
}

Status TensorFile::check_head(const std::string& path) {
  CAIRN_ASSIGN_OR_RETURN(InputFile input, InputFile::open(path));
  return read_head(path, &input).status();
}

void TensorFile::place(TensorHeader header, std::uint64_t data_bytes) {
  // Enough for whole words, so that views of any dtype are aligned as their offsets are.
  words_ = std::make_unique<std::uint64_t[]>(data_bytes / 8 + 1);
  data_ = std::as_writable_bytes(std::span(words_.get(), data_bytes / 8 + 1)).first(data_bytes);
  for (TensorEntry& entry : header.tensors) {
    if (!dtype_of(entry.dtype)) {
      unread_[std::move(entry.name)] = std::move(entry.dtype);
      continue;
    }
    tensors_.push_back({.name = std::move(entry.name),
                        .dtype = *dtype_of(entry.dtype),
                        .shape = {entry.shape.begin(), entry.shape.end()},
                        .bytes = data_.subspan(entry.begin, entry.end - entry.begin)});
  }
  metadata_ = std::move(header.metadata);
}

/// The format lets a tensor begin anywhere; numbers are read where they lie.
void TensorFile::align() {
  for (TensorView& tensor : tensors_) {
    if (reinterpret_cast<std::uintptr_t>(tensor.bytes.data()) % bytes_of(tensor.dtype) == 0) continue;
    auto words = std::make_unique<std::uint64_t[]>(tensor.bytes.size() / 8 + 1);
    const auto moved = std::as_writable_bytes(std::span(words.get(), tensor.bytes.size() / 8 + 1));
    std::copy(tensor.bytes.begin(), tensor.bytes.end(), moved.begin());
    tensor.bytes = moved.first(tensor.bytes.size());
    moved_.push_back(std::move(words));
  }
}

Status TensorFile::fault(std::string_view name, const std::string& fault) const {
  return tensor_fault(path_, name, fault);
}

const TensorView* TensorFile::find(std::string_view name) const noexcept {
  const auto found =
      std::find_if(tensors_.begin(), tensors_.end(), [&](const TensorView& tensor) { return tensor.name == name; });
  return found == tensors_.end() ? nullptr : &*found;
}

Result<const TensorView*> TensorFile::require(std::string_view name, Dtype dtype, std::size_t rank) const {
  const TensorView* found = find(name);
  const auto unread = unread_.find(std::string(name));
  if (unread != unread_.end()) return fault(name, "is of " + unread->second + ", not " + std::string(to_string(dtype)));
  if (!found) return fault(name, "is not there");
  if (found->dtype != dtype) {
    return fault(name, "is of " + std::string(to_string(found->dtype)) + ", not " + std::string(to_string(dtype)));
  }
  if (found->shape.size() != rank) {
    return fault(name, "is " + shape_text(found->shape) + ", not of " + std::to_string(rank) + " dimensions");
  }
  return found;
}

Status write_safetensors(const std::string& path, std::vector<TensorView> tensors,
                         const std::map<std::string, std::string>& metadata) {
  std::sort(tensors.begin(), tensors.end(), [](const TensorView& a, const TensorView& b) {
    if (bytes_of(a.dtype) != bytes_of(b.dtype)) return bytes_of(a.dtype) > bytes_of(b.dtype);
    return a.name < b.name;
  });
  std::string header = render_tensor_header(header_of(tensors, metadata));
  header.resize((header.size() + kAlignment - 1) / kAlignment * kAlignment, ' ');
  const std::uint64_t length = header.size();
  CAIRN_ASSIGN_OR_RETURN(OutputFile file, OutputFile::create(path));
  CAIRN_RETURN_IF_ERROR(file.write(std::as_bytes(std::span(&length, 1))));
  CAIRN_RETURN_IF_ERROR(file.write(std::as_bytes(std::span(header))));
  for (const TensorView& tensor : tensors) CAIRN_RETURN_IF_ERROR(file.write(tensor.bytes));
  return file.finish();
}

}  // namespace cairn::model
