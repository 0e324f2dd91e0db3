#include <algorithm>
#include <cmath>
#include <cstdio>

#include "tools/cairn/load/report.h"

namespace cairn::load {
namespace {

constexpr double kLeft = 70;
constexpr double kTop = 50;
constexpr double kWidth = 640;
constexpr double kHeight = 360;
constexpr double kNines = 5;  // the right end is 99.999 %
constexpr const char* kColors[] = {"#1b6ca8", "#c8553d", "#3d8b40", "#8e5ea2", "#b8860b", "#2f4858",
                                   "#d1495b", "#66a182", "#5c677d", "#9c6644", "#00798c", "#7f5539"};

std::string format(const char* pattern, double a, double b = 0.0) {
  char text[160];
  std::snprintf(text, sizeof text, pattern, a, b);
  return text;
}

std::string escaped(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '&')
      out += "&amp;";
    else if (c == '<')
      out += "&lt;";
    else if (c == '"')
      out += "&quot;";
    else if (static_cast<unsigned char>(c) >= 0x20)
      out += c;
  }
  return out;
}

double ms_at(const Histogram& histogram, double share) {
  return std::max(1e-3, static_cast<double>(histogram.at_share(share).count()) / 1e6);
}

/// 90 % stands at 1, 99 % at 2 and so on: each nine takes the same room, as tails are read.
double x_of(double nines) { return kLeft + nines / kNines * kWidth; }

struct Scale {
  double low;  // decimal logarithms of milliseconds
  double high;
  [[nodiscard]] double y_of(double ms) const { return kTop + kHeight * (1.0 - (std::log10(ms) - low) / (high - low)); }
};

Scale scale_of(const std::vector<Step>& steps) {
  double smallest = 1e9;
  double largest = 1e-3;
  for (const Step& step : steps) {
    if (step.result.tally.latency.count() == 0) continue;
    smallest = std::min(smallest, ms_at(step.result.tally.latency, 0.0));
    largest = std::max(largest, ms_at(step.result.tally.latency, 1.0));
  }
  const double low = std::floor(std::log10(std::min(smallest, largest)));
  return {low, std::max(low + 1.0, std::ceil(std::log10(largest)))};
}

std::string text_at(double x, double y, const char* anchor, const std::string& text) {
  return format("<text x=\"%.1f\" y=\"%.1f\" ", x, y) + "text-anchor=\"" + anchor + "\">" + escaped(text) + "</text>\n";
}

std::string axes(const Scale& scale) {
  std::string out;
  for (double nines = 0; nines <= kNines; ++nines) {
    out += format("<line x1=\"%.1f\" x2=\"%.1f\" ", x_of(nines), x_of(nines)) +
           format("y1=\"%.1f\" y2=\"%.1f\" stroke=\"#ddd\"/>\n", kTop, kTop + kHeight);
    out += text_at(x_of(nines), kTop + kHeight + 18, "middle",
                   nines == 0 ? "0" : format("%.6g", 100.0 * (1.0 - std::pow(10.0, -nines))));
  }
  for (double power = scale.low; power <= scale.high; ++power) {
    const double ms = std::pow(10.0, power);
    out += format("<line x1=\"%.1f\" x2=\"%.1f\" ", kLeft, kLeft + kWidth) +
           format("y1=\"%.1f\" y2=\"%.1f\" stroke=\"#ddd\"/>\n", scale.y_of(ms), scale.y_of(ms));
    out += text_at(kLeft - 8, scale.y_of(ms) + 4, "end", format("%g", ms));
  }
  out += text_at(kLeft + kWidth / 2, kTop + kHeight + 40, "middle", "percentile of requests");
  return out + text_at(kLeft - 8, kTop - 12, "end", "ms");
}

std::string line(const Step& step, const Scale& scale, const char* color) {
  std::string points;
  const Histogram& latency = step.result.tally.latency;
  for (double nines = 0; nines <= kNines + 1e-9; nines += 0.05) {
    points += format("%.1f,%.1f ", x_of(nines), scale.y_of(ms_at(latency, 1.0 - std::pow(10.0, -nines))));
  }
  return std::string("<polyline fill=\"none\" stroke-width=\"2\" stroke=\"") + color + "\" points=\"" + points +
         "\"/>\n";
}

}  // namespace

std::string to_svg(const LoadReport& report) {
  const Scale scale = scale_of(report.steps);
  std::string out =
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 860 470\" font-family=\"sans-serif\" "
      "font-size=\"12\">\n<rect width=\"860\" height=\"470\" fill=\"white\"/>\n";
  out +=
      text_at(kLeft, 22, "start", "Latency of " + report.mix + " at " + report.url + ", from when requests were due");
  out += axes(scale);
  for (std::size_t i = 0; i < report.steps.size(); ++i) {
    const Step& step = report.steps[i];
    if (step.result.tally.latency.count() == 0) continue;
    const char* color = kColors[i % std::size(kColors)];
    out += line(step, scale, color);
    const double y = kTop + 12 + 18 * static_cast<double>(i);
    if (y > kTop + kHeight) continue;  // more lines than a legend has room for
    out += std::string("<rect x=\"722\" width=\"12\" height=\"4\" fill=\"") + color + "\" " +
           format("y=\"%.1f\"/>\n", y - 6);
    out += text_at(740, y, "start", format("%.6g/s", step.rate));
  }
  return out + "</svg>\n";
}

}  // namespace cairn::load
