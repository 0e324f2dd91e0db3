#include "engine/serving/http/session.h"

#include <algorithm>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/post.hpp>
#include <boost/beast/core/error.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/write.hpp>
#include <exception>
#include <utility>

#include "engine/serving/api/routes.h"
#include "engine/serving/http/headers.h"

namespace cairn::serving {
namespace {

namespace net = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using std::chrono::steady_clock;

constexpr std::size_t kReadBytes = 4096;
// A large body is read in pieces that double, up to this.
constexpr std::size_t kBodyReadBytesMax = 256 * 1024;
// How long, and for how many bytes, a refused sender is listened to, so that closing does not reset the connection
// before the refusal has reached it (RFC 9112, section 9.6).
constexpr std::chrono::milliseconds kLingerTime{1000};
constexpr std::size_t kLingerBytes = 8u << 20;
// A body that comes more slowly than this is not waited for, however long request_timeout is.
constexpr std::chrono::seconds kBodyGrace{5};
constexpr std::size_t kBodyBytesPerSecondMin = 4096;
// Whoever has one of the reserved places asks at once, or leaves it to the next.
constexpr std::chrono::milliseconds kReservedPatience{1000};

std::string text_of(beast::string_view view) { return {view.data(), view.size()}; }
std::string_view std_view(beast::string_view view) { return {view.data(), view.size()}; }

ApiResponse header_too_large(const HttpOptions& options) {
  return error_response(
      431, invalid_argument("the request's header exceeds " + std::to_string(options.header_bytes_max) + " bytes"));
}

ApiResponse malformed(beast::error_code error) {
  if (error == http::error::bad_version) {
    return error_response(505, {StatusCode::kUnimplemented, "HTTP/1.1 and 1.0 are served here"});
  }
  return error_response(invalid_argument("malformed HTTP request: " + error.message()));
}

ApiResponse no_memory() {
  return error_response(
      resource_exhausted("the server holds as much for its clients as it may; try again in a moment, send less at a "
                         "time, or raise http.memory_max"));
}

ApiResponse not_acceptable() {
  return error_response(406, invalid_argument("Accept-Encoding leaves no way to answer; allow identity, or gzip where "
                                              "http.compress is on"));
}

AcceptedCodings accepted_codings_of(const RequestHeader& header, const HttpOptions& options) {
  auto [field, end] = header.equal_range(http::field::accept_encoding);
  if (field == end) return {};
  std::string value = text_of(field->value());
  while (++field != end) value += "," + text_of(field->value());
  AcceptedCodings accepted = read_accept_encoding(value);
  if (!options.compress) accepted.best = Coding::kIdentity;
  return accepted;
}

ApiResponse no_place() {
  return error_response(
      resource_exhausted("the server holds as many connections as it may, or as one address may; reuse "
                         "yours, or raise http.connections_max"));
}

}  // namespace

Session::Session(net::ip::tcp::socket socket, SessionContext& context, Place place)
    : context_(context),
      place_(place),
      stream_(std::move(socket)),
      memory_(context.memory),
      waiting_since_(steady_clock::now().time_since_epoch().count()) {
  context_.api.metrics().connection_opened();
}

Session::~Session() {
  context_.api.metrics().connection_closed();
  memory_.shrink(0);
  context_.registry.remove(this);  // last: who waits for the registry to be empty finds everything given back
}

// ---- exceptions ---------------------------------------------------------------------------------------------------

/// Runs a step of this session. Whatever it throws, nothing else of the server notices.
template <class Step>
void Session::guarded(Step step) noexcept {
  try {
    step();
  } catch (const std::exception& thrown) {
    failed(thrown.what());
  } catch (...) {
    failed("an exception that has no text");
  }
}

/// A handler for the end of an operation, which goes on with `step`.
template <class Step>
auto Session::then(Step step) {
  return [self = shared_from_this(), step](Error error, std::size_t bytes) {
    self->guarded([&] { step(*self, error, bytes); });
  };
}

void Session::failed(const char* what) noexcept {
  try {
    context_.options.log.error("http.exception", what, {{"request_id", request_id_}});
    // An answer can be given while none has begun. Where the request ends may be what went wrong.
    const bool can_answer = !failed_ && !serializer_ && stream_.socket().is_open();
    failed_ = true;
    handled_ = false;
    if (can_answer)
      return refuse(error_response(internal_error("the request failed inside the server; its log says why")));
  } catch (...) {  // nothing is left to try
  }
  close();
}

// ---- the life of a connection -------------------------------------------------------------------------------------

void Session::start(const Peer& peer) {
  // Weak: a session lives as long as its own operations, and leaves the registry when it ends.
  context_.registry.add(this, weak_from_this(), peer, place_);
  net::dispatch(stream_.get_executor(),
                [self = shared_from_this()] { self->guarded([&] { self->wait_for_request(); }); });
}

void Session::drain() {
  net::post(stream_.get_executor(), [self = shared_from_this()] {
    self->guarded([&] {
      beast::error_code ignored;
      // Bytes that have arrived are a request that was sent while we were ready: it is still served. They may also have
      // left the socket already, in a read whose handler comes after this one: so the read is cancelled, which a
      // finished one is not, and its handler closes.
      if (self->idle_ && self->stream_.socket().available(ignored) == 0) self->stream_.cancel();
    });
  });
}

void Session::abort() {
  net::post(stream_.get_executor(), [self = shared_from_this()] { self->close(); });
}

void Session::give_way() {
  context_.api.metrics().connection_displaced();
  net::post(stream_.get_executor(), [self = shared_from_this()] {
    self->leaving_ = true;
    if (self->waiting_since() != kNotWaiting) self->close();
  });
}

void Session::wait_for_request() {
  request_id_.clear();
  checked_ = 0;
  waiting_since_.store(steady_clock::now().time_since_epoch().count(), std::memory_order_relaxed);
  let_go();
  if (buffer_.size() > 0) return begin_request();  // the next request was sent together with the last one
  if (context_.phase.load() == Phase::kClosing) {
    beast::error_code ignored;
    if (stream_.socket().available(ignored) == 0) return close();
  }
  idle_ = true;
  stream_.expires_after(place_ == Place::kReserved ? kReservedPatience : context_.options.idle_timeout);
  stream_.async_read_some(buffer_.prepare(kReadBytes), then([](Session& self, Error error, std::size_t bytes) {
                            self.idle_ = false;
                            if (error) return self.close();
                            self.buffer_.commit(bytes);
                            self.begin_request();
                          }));
}

// ---- reading ------------------------------------------------------------------------------------------------------

void Session::begin_request() {
  const auto patience = context_.options.request_timeout;
  deadline_ =
      steady_clock::now() +
      (place_ == Place::kReserved ? std::min<std::chrono::milliseconds>(patience, kReservedPatience) : patience);
  body_bytes_ = 0;
  body_begun_ = {};
  parser_.reset();
  look_for_header();
}

void Session::look_for_header() {
  const Result<std::optional<std::size_t>> end = find_header_end(unread(), checked_);
  if (!end.ok()) return refuse(error_response(end.status()));
  const std::size_t limit = context_.options.header_bytes_max;
  if (end->value_or(buffer_.size() + 1) > limit) return refuse(header_too_large(context_.options));
  if (*end) return parse_header(**end);
  checked_ = buffer_.size();
  const std::size_t more = std::min(kReadBytes, limit - buffer_.size());
  if (!hold(buffer_.capacity() + more, MemoryBudget::Use::kRequest)) return refuse(no_memory());
  stream_.expires_at(deadline_);
  stream_.async_read_some(buffer_.prepare(more), then([](Session& self, Error error, std::size_t bytes) {
                            if (error) return self.close();
                            self.buffer_.commit(bytes);
                            self.look_for_header();
                          }));
}

void Session::parse_header(std::size_t size) {
  const std::string_view header = unread().substr(0, size);
  const Result<Framing> framing = read_framing(header);
  if (!framing.ok()) return refuse(error_response(framing.status()));
  framing_ = *framing;
  parser_.emplace();
  parser_->header_limit(static_cast<std::uint32_t>(size));
  parser_->skip(true);  // the body is not its business
  Error error;
  parser_->put(net::const_buffer(header.data(), header.size()), error);
  if (error || !parser_->is_done()) {
    parser_.reset();
    return refuse(error ? malformed(error) : error_response(invalid_argument("malformed HTTP request")));
  }
  buffer_.consume(size);
  on_header();
}

void Session::on_header() {
  const auto& header = parser_->get().base();
  request_id_ = request_id_of(header);
  if (std::optional<ApiResponse> refusal = refuse_by_header(header, context_.hosts)) return refuse(std::move(*refusal));
  if (place_ == Place::kReserved && !is_probe()) return refuse(no_place());
  accepted_ = accepted_codings_of(header, context_.options);
  if (!accepted_.any()) return refuse(not_acceptable());
  body_.emplace(framing_, BodyLimits{context_.options.body_bytes_max, context_.options.header_bytes_max});
  if (body_->refusal()) return refuse(std::move(*body_->refusal()));
  const bool asks_first = !header[http::field::expect].empty() && !body_->done() && buffer_.size() == 0;
  asks_first&& header.version() == 11 ? continue_then_read_body() : take_body();
}

/// A client that asks first is told to go on only now that the header has been found acceptable.
void Session::continue_then_read_body() {
  auto proceed = std::make_shared<http::response<http::empty_body>>(http::status::continue_, 11);
  stream_.expires_at(deadline_);
  http::async_write(stream_, *proceed, then([proceed](Session& self, Error error, std::size_t) {
                      error ? self.close() : self.take_body();
                    }));
}

/// Takes what has arrived, and reads more when that was not all.
void Session::take_body() {
  if (!body_->done() && buffer_.size() > 0) {
    if (!make_room(buffer_.size())) return refuse(no_memory());
    const std::size_t taken = body_->take(unread());
    buffer_.consume(taken);
    body_bytes_ += taken;
  }
  if (body_->refusal()) return refuse(std::move(*body_->refusal()));
  body_->done() ? submit() : read_body();
}

void Session::read_body() {
  if (body_begun_ == Time()) body_begun_ = steady_clock::now();
  stream_.expires_at(body_deadline());
  body_->by_length() ? read_body_in_place() : read_body_to_buffer();
}

void Session::read_body_in_place() {
  const std::size_t piece = std::clamp(body_->capacity(), kReadBytes, kBodyReadBytesMax);
  if (!make_room(piece)) return refuse(no_memory());
  const std::span<char> room = body_->prepare(piece);
  stream_.async_read_some(net::buffer(room.data(), room.size()),
                          then([](Session& self, Error error, std::size_t bytes) {
                            if (error) return self.close();
                            self.body_bytes_ += bytes;
                            self.body_->commit(bytes);
                            self.take_body();
                          }));
}

void Session::read_body_to_buffer() {
  const std::size_t piece = std::clamp(body_->capacity(), kReadBytes, kBodyReadBytesMax / 4);
  if (!hold(held_bytes() + piece, MemoryBudget::Use::kRequest)) return refuse(no_memory());
  stream_.async_read_some(buffer_.prepare(piece), then([](Session& self, Error error, std::size_t bytes) {
                            if (error) return self.close();
                            self.buffer_.commit(bytes);
                            self.take_body();
                          }));
}

/// Makes the body's memory large enough for `bytes` more, if the server has that much.
bool Session::make_room(std::size_t bytes) {
  const std::size_t needed = body_->size_after(bytes);
  const std::size_t now = body_->capacity();
  if (needed <= now) return hold(held_bytes(), MemoryBudget::Use::kRequest);
  const std::size_t larger = std::max(needed, std::min(2 * now, body_->size_after(2 * now)));
  if (!hold(held_bytes() - now + larger, MemoryBudget::Use::kRequest)) return false;
  body_->reserve(larger);
  return true;
}

/// When the body must have come, or enough of it for more time.
Session::Time Session::body_deadline() const noexcept {
  const auto earned = std::chrono::seconds(body_bytes_ / kBodyBytesPerSecondMin);
  return std::min(deadline_, body_begun_ + kBodyGrace + earned);
}

void Session::submit() {
  waiting_since_.store(kNotWaiting, std::memory_order_relaxed);
  stream_.expires_never();  // the handler keeps its own deadline
  const auto& header = parser_->get();
  auto request = std::make_shared<ApiRequest>();
  request->method = text_of(header.method_string());
  request->target = text_of(header.target());
  request->content_type = text_of(header[http::field::content_type]);
  const auto [key, keys_end] = header.equal_range("Idempotency-Key");
  if (key != keys_end) request->idempotency_key = std::next(key) == keys_end ? text_of(key->value()) : "";
  request->body = body_->take_body();
  body_.reset();
  request->received = steady_clock::now();
  request->context.trace_id = request_id_;
  in_flight_ = request->cancel;
  handled_ = true;
  context_.api.handle(std::move(request), [self = shared_from_this(), accepted = accepted_](ApiResponse response) {
    // Here, on the thread of the handler: the socket's threads have others to serve.
    encode_content(accepted, self->context_.options, &response);
    net::post(self->stream_.get_executor(), [self, moved = std::move(response)]() mutable {
      self->guarded([&] {
        if (self->handled_) self->respond(std::move(moved));
      });
    });
  });
}

// ---- answering ----------------------------------------------------------------------------------------------------

void Session::refuse(ApiResponse response) {
  // Where the refused request ends is not known, or what it is, so nothing after it can be read as a request.
  unread_ = true;
  response.close = true;
  body_.reset();
  context_.api.count_refusal(response);
  respond(std::move(response));
}

bool Session::is_head() const { return parser_ && parser_->get().method() == http::verb::head; }

bool Session::is_probe() const {
  return parser_ && serving::is_probe(std_view(parser_->get().method_string()), std_view(parser_->get().target()));
}

Session::Response Session::render(ApiResponse response) const {
  const unsigned version = parser_ && parser_->get().version() == 10 ? 10 : 11;
  Response rendered(static_cast<http::status>(response.http_code), version);
  rendered.set(http::field::date, http_date());
  rendered.set(http::field::content_type,
               beast::string_view(response.content_type.data(), response.content_type.size()));
  rendered.set(http::field::cache_control, "no-store");
  if (!response.content_encoding.empty()) {
    rendered.set(http::field::content_encoding,
                 beast::string_view(response.content_encoding.data(), response.content_encoding.size()));
  }
  if (response.varies) rendered.set(http::field::vary, "Accept-Encoding");
  rendered.set("X-Content-Type-Options", "nosniff");
  rendered.set("X-Request-Id", request_id_.empty() ? make_request_id() : request_id_);
  if (!response.allow.empty()) rendered.set(http::field::allow, response.allow);
  if (response.retry_after_seconds > 0) {
    rendered.set(http::field::retry_after, std::to_string(response.retry_after_seconds));
  }
  rendered.body() = std::move(response.body);
  rendered.content_length(rendered.body().size());
  const bool stays = place_ == Place::kOrdinary && !leaving_ && context_.phase.load() == Phase::kServing;
  rendered.keep_alive(stays && !response.close && parser_ && parser_->get().keep_alive());
  return rendered;
}

void Session::respond(ApiResponse response) {
  handled_ = false;
  in_flight_ = std::stop_source(std::nostopstate);
  if (response.http_code == 500) {
    context_.options.log.error("http.internal_error", response.body, {{"request_id", request_id_}});
  }
  if (!hold_answer(response.body.size())) {
    const bool close = response.close;
    response = no_memory();
    response.close = close;
  }
  response_.emplace(render(std::move(response)));
  serializer_.emplace(*response_);
  stream_.expires_after(context_.options.request_timeout);
  write(is_head());
}

void Session::write(bool head_only) {
  auto written = then([](Session& self, Error error, std::size_t) { self.on_written(error); });
  if (head_only) {
    http::async_write_header(stream_, *serializer_, std::move(written));
  } else {
    http::async_write(stream_, *serializer_, std::move(written));
  }
}

void Session::on_written(Error error) {
  const bool keep = !error && response_->keep_alive();
  serializer_.reset();
  response_.reset();
  if (keep) return wait_for_request();
  if (error || !unread_) return close();
  // Closing with unread bytes makes the kernel reset the connection, which can overtake the refusal.
  stream_.socket().shutdown(net::ip::tcp::socket::shutdown_send, error);
  waiting_since_.store(steady_clock::now().time_since_epoch().count(), std::memory_order_relaxed);
  stream_.expires_after(kLingerTime);
  buffer_.clear();
  let_go();
  linger();
}

void Session::linger() {
  buffer_.clear();
  stream_.async_read_some(buffer_.prepare(kReadBytes), then([](Session& self, Error error, std::size_t bytes) {
                            self.lingered_bytes_ += bytes;
                            if (error || self.lingered_bytes_ > kLingerBytes) return self.close();
                            self.linger();
                          }));
}

void Session::close() noexcept {
  in_flight_.request_stop();  // the answer would reach nobody
  beast::error_code ignored;
  stream_.socket().shutdown(net::ip::tcp::socket::shutdown_both, ignored);
  stream_.close();
}

// ---- memory -------------------------------------------------------------------------------------------------------

std::string_view Session::unread() const noexcept {
  return {static_cast<const char*>(buffer_.data().data()), buffer_.size()};
}

std::size_t Session::held_bytes() const noexcept { return buffer_.capacity() + (body_ ? body_->held_bytes() : 0); }

bool Session::hold(std::size_t bytes, MemoryBudget::Use use) noexcept {
  // Each connection has this much set apart, which is enough for most requests and answers.
  return memory_.grow(bytes - std::min(bytes, HttpOptions::kConnectionBytes), use);
}

bool Session::hold_answer(std::size_t bytes) noexcept {
  const std::size_t needed = held_bytes() + bytes;
  return hold(needed, MemoryBudget::Use::kAnswer) || (is_probe() && hold(needed, MemoryBudget::Use::kProbe));
}

/// Gives back what a large request or answer took.
void Session::let_go() noexcept {
  if (buffer_.size() == 0 && buffer_.capacity() > HttpOptions::kConnectionBytes) buffer_ = beast::flat_buffer();
  memory_.shrink(held_bytes());
}

}  // namespace cairn::serving
