#include "engine/serving/http/session.h"

#include <boost/asio/dispatch.hpp>
#include <boost/asio/post.hpp>
#include <boost/beast/core/error.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/write.hpp>
#include <utility>

#include "engine/serving/http/headers.h"

namespace cairn::serving {
namespace {

namespace net = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;

constexpr std::size_t kFirstReadBytes = 4096;
// How long, and for how many bytes, a refused sender is listened to, so that closing does not reset the connection
// before the refusal has reached it (RFC 9112, section 9.6).
constexpr std::chrono::milliseconds kLingerTime{1000};
constexpr std::size_t kLingerBytes = 8u << 20;

std::string text_of(beast::string_view view) { return {view.data(), view.size()}; }

ApiResponse response_to(beast::error_code error, const HttpOptions& options) {
  if (error == http::error::header_limit || error == http::error::buffer_overflow) {
    return error_response(
        431, invalid_argument("the request's header exceeds " + std::to_string(options.header_bytes_max) + " bytes"));
  }
  if (error == http::error::body_limit) {
    return error_response(413, invalid_argument("the request's body exceeds " + std::to_string(options.body_bytes_max) +
                                                " bytes; send it in parts"));
  }
  if (error == http::error::bad_version) {
    return error_response(505, {StatusCode::kUnimplemented, "HTTP/1.1 and 1.0 are served here"});
  }
  return error_response(invalid_argument("malformed HTTP request: " + error.message()));
}

/// Whether the peer broke HTTP's rules, as opposed to the connection having ended.
bool is_protocol_error(beast::error_code error) {
  static const auto& http_category = beast::error_code(http::error::bad_method).category();
  return error.category() == http_category && error != http::error::end_of_stream &&
         error != http::error::partial_message;
}

}  // namespace

Session::Session(net::ip::tcp::socket socket, SessionContext& context, Role role)
    : context_(context), role_(role), stream_(std::move(socket)) {
  context_.api.metrics().connection_opened();
}

Session::~Session() {
  context_.api.metrics().connection_closed();
  context_.registry.remove(this);
}

void Session::start() {
  // Weak: a session lives as long as its own operations, and leaves the registry when it ends.
  context_.registry.add(this, weak_from_this());
  net::dispatch(stream_.get_executor(), [self = shared_from_this()] {
    if (self->role_ == Role::kServe) return self->wait_for_request();
    self->refuse(
        error_response(resource_exhausted("the server holds as many connections as it may; reuse yours, or "
                                          "raise connections_max")));
  });
}

void Session::drain() {
  net::post(stream_.get_executor(), [self = shared_from_this()] {
    beast::error_code ignored;
    // Bytes that have arrived are a request that was sent while we were ready: it is still served. They may also have
    // left the socket already, in a read whose handler comes after this one: so the read is cancelled, which a finished
    // one is not, and its handler closes.
    if (self->idle_ && self->stream_.socket().available(ignored) == 0) self->stream_.cancel();
  });
}

void Session::abort() {
  net::post(stream_.get_executor(), [self = shared_from_this()] { self->close(); });
}

void Session::wait_for_request() {
  request_id_.clear();
  if (buffer_.size() > 0) return read_header();  // the next request was sent together with the last one
  if (context_.draining.load()) {
    beast::error_code ignored;
    if (stream_.socket().available(ignored) == 0) return close();
  }
  idle_ = true;
  stream_.expires_after(context_.options.idle_timeout);
  stream_.async_read_some(buffer_.prepare(kFirstReadBytes),
                          [self = shared_from_this()](Error error, std::size_t bytes) {
                            self->idle_ = false;
                            if (error) return self->close();
                            self->buffer_.commit(bytes);
                            self->read_header();
                          });
}

void Session::read_header() {
  parser_.emplace();
  parser_->header_limit(static_cast<std::uint32_t>(context_.options.header_bytes_max));
  parser_->body_limit(context_.options.body_bytes_max);
  stream_.expires_after(context_.options.request_timeout);
  http::async_read_header(stream_, buffer_, *parser_, [self = shared_from_this()](Error error, std::size_t) {
    error ? self->on_read_error(error) : self->on_header();
  });
}

void Session::on_header() {
  const auto& header = parser_->get().base();
  request_id_ = request_id_of(header);
  if (std::optional<ApiResponse> refusal = refuse_by_header(header)) return refuse(std::move(*refusal));
  if (header[http::field::expect].empty() || parser_->is_done()) return read_body();
  continue_then_read_body();
}

/// A client that asks first is told to go on only now that the header has been found acceptable.
void Session::continue_then_read_body() {
  auto proceed = std::make_shared<http::response<http::empty_body>>(http::status::continue_, 11);
  http::async_write(stream_, *proceed, [self = shared_from_this(), proceed](Error error, std::size_t) {
    error ? self->close() : self->read_body();
  });
}

void Session::read_body() {
  http::async_read(stream_, buffer_, *parser_, [self = shared_from_this()](Error error, std::size_t) {
    error ? self->on_read_error(error) : self->submit();
  });
}

void Session::on_read_error(Error error) {
  if (!is_protocol_error(error)) return close();
  refuse(response_to(error, context_.options));
}

void Session::submit() {
  stream_.expires_never();  // the handler keeps its own deadline
  Request& message = parser_->get();
  auto request = std::make_shared<ApiRequest>();
  request->method = text_of(message.method_string());
  request->target = text_of(message.target());
  request->content_type = text_of(message[http::field::content_type]);
  request->idempotency_key = text_of(message["Idempotency-Key"]);
  request->body = std::move(message.body());
  request->received = std::chrono::steady_clock::now();
  request->context.trace_id = request_id_;
  in_flight_ = request->cancel;
  context_.api.handle(std::move(request), [self = shared_from_this()](ApiResponse response) {
    net::post(self->stream_.get_executor(),
              [self, moved = std::move(response)]() mutable { self->respond(std::move(moved)); });
  });
}

void Session::refuse(ApiResponse response) {
  // Where the refused request ends is not known, so nothing after it can be read as a request.
  unread_ = true;
  response.close = true;
  context_.api.count_refusal(response);
  respond(std::move(response));
}

bool Session::is_head() const { return parser_ && parser_->get().method() == http::verb::head; }

Session::Response Session::render(ApiResponse response) const {
  const unsigned version = parser_ && parser_->get().version() == 10 ? 10 : 11;
  Response rendered(static_cast<http::status>(response.http_code), version);
  rendered.set(http::field::date, http_date());
  rendered.set(http::field::content_type,
               beast::string_view(response.content_type.data(), response.content_type.size()));
  rendered.set(http::field::cache_control, "no-store");
  rendered.set("X-Content-Type-Options", "nosniff");
  rendered.set("X-Request-Id", request_id_.empty() ? make_request_id() : request_id_);
  if (!response.allow.empty()) rendered.set(http::field::allow, response.allow);
  if (response.retry_after_seconds > 0) {
    rendered.set(http::field::retry_after, std::to_string(response.retry_after_seconds));
  }
  rendered.body() = std::move(response.body);
  rendered.content_length(rendered.body().size());
  rendered.keep_alive(!response.close && parser_ && parser_->get().keep_alive() && !context_.draining.load());
  return rendered;
}

void Session::respond(ApiResponse response) {
  in_flight_ = std::stop_source(std::nostopstate);
  if (response.http_code == 500) {
    context_.options.log.error("http.internal_error", response.body, {{"request_id", request_id_}});
  }
  response_.emplace(render(std::move(response)));
  serializer_.emplace(*response_);
  stream_.expires_after(context_.options.request_timeout);
  write(is_head());
}

void Session::write(bool head_only) {
  auto written = [self = shared_from_this()](Error error, std::size_t) { self->on_written(error); };
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
  stream_.expires_after(kLingerTime);
  linger();
}

void Session::linger() {
  buffer_.clear();
  stream_.async_read_some(buffer_.prepare(64 * 1024), [self = shared_from_this()](Error error, std::size_t bytes) {
    self->lingered_bytes_ += bytes;
    if (error || self->lingered_bytes_ > kLingerBytes) return self->close();
    self->linger();
  });
}

void Session::close() {
  in_flight_.request_stop();  // the answer would reach nobody
  beast::error_code ignored;
  stream_.socket().shutdown(net::ip::tcp::socket::shutdown_both, ignored);
  stream_.close();
}

}  // namespace cairn::serving
