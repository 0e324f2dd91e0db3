#include "engine/serving/http/session.h"

#include <algorithm>
#include <array>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/http/field.hpp>
#include <boost/beast/http/status.hpp>
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
  ApiResponse response =
      error_response(406, invalid_argument("Accept-Encoding leaves no way to answer; allow identity, or gzip where "
                                           "http.compress is on"));
  response.varies = true;  // whoever asks otherwise is answered otherwise (RFC 9110, section 12.5.5)
  return response;
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

/// The session that gives a request to the API on this thread just now. What is answered before that has ended needs no
/// way through the queue of the socket's threads.
thread_local const Session* submitting = nullptr;

class Submitting {
 public:
  explicit Submitting(const Session* session) noexcept { submitting = session; }
  ~Submitting() { end(); }
  Submitting(const Submitting&) = delete;
  Submitting& operator=(const Submitting&) = delete;
  void end() noexcept { submitting = nullptr; }
};

void append_field(std::string* head, std::string_view name, std::string_view value) {
  head->append(name).append(": ").append(value).append("\r\n");
}

}  // namespace

Session::Session(Socket socket, SessionContext& context, Place place)
    : context_(context),
      place_(place),
      socket_(std::move(socket)),
      timer_(socket_.get_executor()),
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
    const bool can_answer = !failed_ && !writing_ && socket_.is_open();
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
  Error ignored;
  socket_.non_blocking(true, ignored);
  net::dispatch(socket_.get_executor(),
                [self = shared_from_this()] { self->guarded([&] { self->wait_for_request(); }); });
}

void Session::drain() {
  net::post(socket_.get_executor(), [self = shared_from_this()] {
    self->guarded([&] {
      beast::error_code ignored;
      // Bytes that have arrived are a request that was sent while we were ready: it is still served. They may also have
      // left the socket already, in a read whose handler comes after this one: so the read is cancelled, which a
      // finished one is not, and its handler closes.
      if (self->idle_ && self->socket_.available(ignored) == 0) self->socket_.cancel(ignored);
    });
  });
}

void Session::abort(std::shared_ptr<void> done) {
  net::post(socket_.get_executor(), [self = shared_from_this(), done = std::move(done)] {
    self->guarded([&] {
      if (!self->handled_) return self->close();
      self->leaving_ = true;
      self->in_flight_.request_stop();  // what it would still find out reaches nobody
      self->respond(error_response(unavailable("the server is stopping")));
    });
  });
}

void Session::give_way() {
  context_.api.metrics().connection_displaced();
  net::post(socket_.get_executor(), [self = shared_from_this()] {
    self->leaving_ = true;
    if (self->waiting_since() != kNotWaiting) self->close();
  });
}

void Session::wait_for_request() {
  request_id_.clear();
  checked_ = 0;
  skipped_line_ = false;
  const Time now = steady_clock::now();
  waiting_since_.store(now.time_since_epoch().count(), std::memory_order_relaxed);
  let_go();
  expires_ = now + (place_ == Place::kReserved ? kReservedPatience : context_.options.idle_timeout);
  wait_for_bytes();
}

void Session::wait_for_bytes() {
  if (buffer_.size() > 0) return next_request();
  if (context_.phase.load() == Phase::kClosing) {
    beast::error_code ignored;
    if (socket_.available(ignored) == 0) return close();
  }
  idle_ = true;
  read_some(buffer_.prepare(kReadBytes), [](Session& self, Error error, std::size_t bytes) {
    self.idle_ = false;
    if (error) return self.close();
    self.buffer_.commit(bytes);
    self.begin_request();
  });
}

/// Begins the next request, which was sent together with the last one: after others had their turn, and so that no
/// number of them makes the stack grow.
void Session::next_request() {
  net::post(socket_.get_executor(), [self = shared_from_this()] {
    self->guarded([&] {
      if (self->socket_.is_open()) self->begin_request();
    });
  });
}

// ---- time ---------------------------------------------------------------------------------------------------------

/// Reads what comes until `expires_`, and goes on with `step`.
template <class Step>
void Session::read_some(net::mutable_buffer room, Step step) {
  watch_deadline();
  socket_.async_read_some(room, then(std::move(step)));
}

/// Sees to it that the timer goes off at `expires_` or before. A deadline that moves away, as that of an idle
/// connection does with each request, costs nothing: the timer finds it out when it goes off.
void Session::watch_deadline() {
  if (expires_ >= timer_set_for_) return;
  timer_set_for_ = expires_;
  timer_.expires_at(expires_);
  // Weak: the timer of a connection that has ended must not keep its session.
  timer_.async_wait([weak = weak_from_this()](Error cancelled) {
    const auto self = weak.lock();
    if (self && !cancelled) self->guarded([&] { self->on_timer(); });
  });
}

void Session::on_timer() {
  timer_set_for_ = Time::max();
  if (steady_clock::now() < expires_) return watch_deadline();
  close();
}

// ---- reading ------------------------------------------------------------------------------------------------------

/// One empty line before a request: some clients send one behind a body (RFC 9112, section 2.2). Of more of them, each
/// would be a sign of life from somebody who asks for nothing.
bool Session::skip_empty_line() {
  constexpr std::string_view kEmptyLine = "\r\n";
  if (skipped_line_ || !unread().starts_with(kEmptyLine)) return false;
  skipped_line_ = true;
  buffer_.consume(kEmptyLine.size());
  checked_ = 0;
  return true;
}

void Session::begin_request() {
  // Nothing has begun as long as nothing follows.
  if (skip_empty_line() && buffer_.size() == 0) return wait_for_bytes();
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
  skip_empty_line();  // its two bytes may have come one by one
  const Result<std::optional<std::size_t>> end = find_header_end(unread(), checked_);
  if (!end.ok()) return refuse(error_response(end.status()));
  const std::size_t limit = context_.options.header_bytes_max;
  if (end->value_or(buffer_.size() + 1) > limit) return refuse(header_too_large(context_.options));
  if (*end) return parse_header(**end);
  checked_ = buffer_.size();
  const std::size_t more = std::min(kReadBytes, limit - buffer_.size());
  if (!hold(buffer_.capacity() + more, MemoryBudget::Use::kRequest)) return refuse(no_memory());
  expires_ = deadline_;
  read_some(buffer_.prepare(more), [](Session& self, Error error, std::size_t bytes) {
    if (error) return self.close();
    self.buffer_.commit(bytes);
    self.look_for_header();
  });
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
  static constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
  expires_ = deadline_;
  watch_deadline();
  net::async_write(socket_, net::buffer(kContinue.data(), kContinue.size()),
                   then([](Session& self, Error error, std::size_t) { error ? self.close() : self.take_body(); }));
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
  expires_ = body_deadline();
  body_->by_length() ? read_body_in_place() : read_body_to_buffer();
}

void Session::read_body_in_place() {
  const std::size_t piece = std::clamp(body_->capacity(), kReadBytes, kBodyReadBytesMax);
  if (!make_room(piece)) return refuse(no_memory());
  const std::span<char> room = body_->prepare(piece);
  read_some(net::buffer(room.data(), room.size()), [](Session& self, Error error, std::size_t bytes) {
    if (error) return self.close();
    self.body_bytes_ += bytes;
    self.body_->commit(bytes);
    self.take_body();
  });
}

void Session::read_body_to_buffer() {
  const std::size_t piece = std::clamp(body_->capacity(), kReadBytes, kBodyReadBytesMax / 4);
  if (!hold(held_bytes() + piece, MemoryBudget::Use::kRequest)) return refuse(no_memory());
  read_some(buffer_.prepare(piece), [](Session& self, Error error, std::size_t bytes) {
    if (error) return self.close();
    self.buffer_.commit(bytes);
    self.take_body();
  });
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
  expires_ = Time::max();  // the handler keeps its own deadline
  const auto& header = parser_->get();
  auto request = std::make_shared<ApiRequest>();
  request->method = text_of(header.method_string());
  request->target = text_of(header.target());
  request->content_type = text_of(header[http::field::content_type]);
  const auto [key, keys_end] = header.equal_range("Idempotency-Key");
  if (key != keys_end) request->idempotency_key = std::next(key) == keys_end ? text_of(key->value()) : "";
  request->accept_language = text_of(header[http::field::accept_language]);
  for (auto [tags, end] = header.equal_range(http::field::if_none_match); tags != end; ++tags) {
    std::string& all =
        request->if_none_match.has_value() ? request->if_none_match->append(",") : request->if_none_match.emplace();
    all += std_view(tags->value());
  }
  request->wants_coding = accepted_.best != Coding::kIdentity;
  request->body = body_->take_body();
  body_.reset();
  request->received = steady_clock::now();
  request->context.trace_id = request_id_;
  in_flight_ = request->cancel;
  handled_ = true;
  answered_inside_.reset();
  Submitting inside(this);
  const bool watch =
      context_.api.handle(std::move(request), [self = shared_from_this(), accepted = accepted_](ApiResponse response) {
        // Here, on the thread of the handler: the socket's threads have others to serve.
        encode_content(accepted, self->context_.options, &response);
        if (submitting == self.get()) {
          self->answered_inside_ = std::move(response);
          return;
        }
        net::post(self->socket_.get_executor(), [self, moved = std::move(response)]() mutable {
          self->guarded([&] {
            if (self->handled_) self->respond(std::move(moved));
          });
        });
      });
  inside.end();
  if (!answered_inside_) return watch ? watch_client() : void();
  ApiResponse response = std::move(*answered_inside_);
  answered_inside_.reset();
  respond(std::move(response));
}

/// While a request is handled nothing is read, so a client that has gone would be noticed only when the answer is
/// written. One that has closed its side counts as gone, as most servers have it.
void Session::watch_client() {
  if (watching_ || buffer_.size() > 0) return;
  watching_ = true;
  socket_.async_wait(Socket::wait_read, [self = shared_from_this()](Error error) {
    self->watching_ = false;
    if (error || !self->handled_) return;
    char byte = 0;
    Error failed;
    const std::size_t bytes = self->socket_.receive(net::buffer(&byte, 1), Socket::message_peek, failed);
    const bool more = bytes > 0 || failed == net::error::would_block || failed == net::error::try_again;
    if (!more) self->in_flight_.request_stop();
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

/// Writes an answer's header to `head_`, and finds out whether the connection goes on. Nothing in it comes from a
/// stranger but the request's id, which holds no line break.
void Session::write_head(const ApiResponse& response) {
  const bool old = parser_ && parser_->get().version() == 10;
  const bool stays = place_ == Place::kOrdinary && !leaving_ && context_.phase.load() == Phase::kServing;
  keep_ = stays && !response.close && parser_ && parser_->get().keep_alive();
  const auto reason = http::obsolete_reason(http::int_to_status(static_cast<unsigned>(response.http_code)));
  head_.assign(old ? "HTTP/1.0 " : "HTTP/1.1 ").append(std::to_string(response.http_code)).append(" ");
  head_.append(reason.data(), reason.size()).append("\r\n");
  const bool has_content = response.http_code != 304;
  append_field(&head_, "Date", http_date());
  if (has_content) append_field(&head_, "Content-Type", response.content_type);
  append_field(&head_, "Cache-Control",
               response.cache_control.empty() ? ApiResponse::kForNobody : std::string_view(response.cache_control));
  if (!response.etag.empty()) append_field(&head_, "ETag", response.etag);
  if (response.age_seconds > 0) append_field(&head_, "Age", std::to_string(response.age_seconds));
  if (!response.content_location.empty()) append_field(&head_, "Content-Location", response.content_location);
  if (!response.content_encoding.empty()) append_field(&head_, "Content-Encoding", response.content_encoding);
  if (response.varies) append_field(&head_, "Vary", "Accept-Encoding");
  append_field(&head_, "X-Content-Type-Options", "nosniff");
  append_field(&head_, "X-Request-Id", request_id_.empty() ? make_request_id() : request_id_);
  if (!response.allow.empty()) append_field(&head_, "Allow", response.allow);
  if (response.retry_after_seconds > 0) {
    append_field(&head_, "Retry-After", std::to_string(response.retry_after_seconds));
  }
  // Of 304 it would be the length of what is not sent (RFC 9110, section 8.6).
  if (has_content) append_field(&head_, "Content-Length", std::to_string(response.body_bytes()));
  // What goes without saying differs between the versions (RFC 9112, section 9.3).
  if (keep_ == old) append_field(&head_, "Connection", keep_ ? "keep-alive" : "close");
  head_.append("\r\n");
}

void Session::respond(ApiResponse response) {
  handled_ = false;
  in_flight_ = std::stop_source(std::nostopstate);
  if (response.http_code == 500) {
    context_.options.log.error("http.internal_error", response.body, {{"request_id", request_id_}});
  }
  if (!hold_answer(response.body_bytes())) {
    const bool close = response.close;
    response = no_memory();
    response.close = close;
  }
  write_head(response);
  answer_begin_ = std::move(response.shared_body);
  answer_ = std::move(response.body);
  write(is_head());
}

/// Nearly always the system takes the whole answer at once. Only a client that reads slowly is waited for.
void Session::write(bool head_only) {
  writing_ = true;
  std::array<net::const_buffer, 3> parts = {net::buffer(head_)};
  if (!head_only && answer_begin_) parts[1] = net::buffer(*answer_begin_);
  if (!head_only) parts[2] = net::buffer(answer_);
  Error error;
  std::size_t sent = socket_.write_some(parts, error);
  const bool wait = error == net::error::would_block || error == net::error::try_again;
  if ((error && !wait) || sent == net::buffer_size(parts)) return on_written(error);
  for (net::const_buffer& part : parts) {
    const std::size_t of_part = std::min(sent, part.size());
    part += of_part;
    sent -= of_part;
  }
  expires_ = steady_clock::now() + context_.options.request_timeout;
  watch_deadline();
  net::async_write(socket_, parts, then([](Session& self, Error failed, std::size_t) { self.on_written(failed); }));
}

void Session::on_written(Error error) {
  writing_ = false;
  answer_begin_.reset();
  answer_ = {};
  if (!error && keep_) return wait_for_request();
  if (error || !unread_) return close();
  // Closing with unread bytes makes the kernel reset the connection, which can overtake the refusal.
  socket_.shutdown(net::ip::tcp::socket::shutdown_send, error);
  const Time now = steady_clock::now();
  waiting_since_.store(now.time_since_epoch().count(), std::memory_order_relaxed);
  expires_ = now + kLingerTime;
  buffer_.clear();
  let_go();
  linger();
}

void Session::linger() {
  buffer_.clear();
  read_some(buffer_.prepare(kReadBytes), [](Session& self, Error error, std::size_t bytes) {
    self.lingered_bytes_ += bytes;
    if (error || self.lingered_bytes_ > kLingerBytes) return self.close();
    self.linger();
  });
}

void Session::close() noexcept {
  in_flight_.request_stop();  // the answer would reach nobody
  beast::error_code ignored;
  socket_.shutdown(net::ip::tcp::socket::shutdown_both, ignored);
  socket_.close(ignored);
  timer_.cancel(ignored);
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
