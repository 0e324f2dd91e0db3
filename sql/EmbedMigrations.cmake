# cmake -DFOLDER=dir -DOUTPUT=file.cc -P EmbedMigrations.cmake
# Writes a source with every FOLDER/NNNN_name.sql as text, in order, with its SHA-256 (sql/migrations.h).

file(GLOB files ${FOLDER}/*.sql)
list(SORT files)

set(entries "")
set(expected 1)
foreach(file IN LISTS files)
  get_filename_component(name ${file} NAME_WE)
  if(NOT name MATCHES "^([0-9][0-9][0-9][0-9])_[a-z0-9_]+$")
    message(FATAL_ERROR "${file}: a migration is called NNNN_what.sql")
  endif()
  math(EXPR version "1${CMAKE_MATCH_1} - 10000")
  if(NOT version EQUAL expected)
    message(FATAL_ERROR "${file}: migrations count from 0001 without a gap; expected number ${expected}")
  endif()
  math(EXPR expected "${expected} + 1")
  file(SHA256 ${file} checksum)
  file(READ ${file} text)
  string(APPEND entries "    {${version}, \"${name}\", \"${checksum}\", R\"cairn_sql(${text})cairn_sql\"},\n")
endforeach()

file(WRITE ${OUTPUT} "#include \"sql/migrations.h\"

namespace cairn::sql {
namespace {

constexpr Migration kMigrations[] = {
${entries}};

}  // namespace

std::span<const Migration> migrations() noexcept { return kMigrations; }

}  // namespace cairn::sql
")
