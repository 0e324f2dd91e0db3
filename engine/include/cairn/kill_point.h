#pragma once

/// A place where a test may end the process, as a crash would: `CAIRN_KILL_POINT("window.written")`. The name says what
/// has just happened, or is about to. Nothing is left of it in an ordinary build: only tests/system/kill_points
/// compiles the sources that have one with CAIRN_KILL_POINTS, and finds the names in the sources.
#ifdef CAIRN_KILL_POINTS
namespace cairn {
void reach_kill_point(const char* name) noexcept;
}
#define CAIRN_KILL_POINT(name) ::cairn::reach_kill_point(name)
#else
#define CAIRN_KILL_POINT(name) static_cast<void>(0)
#endif
