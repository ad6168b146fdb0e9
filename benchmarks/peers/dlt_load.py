"""Run by dlt's own interpreter: PostgreSQL → PostgreSQL as its manual recommends for speed (Arrow backend, CSV into COPY).

The column of bytes is left out, in its favour: its CSV writer refuses them.

Arguments: URL, rows a batch, disposition (``replace`` or ``merge``), working folder. Prints the seconds of the load alone.
"""

import os
import sys
import time

given, batch, disposition, folder = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]
os.environ["DLT_DATA_DIR"] = folder
os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"
os.environ["RUNTIME__LOG_LEVEL"] = "ERROR"
os.environ["NORMALIZE__DATA_WRITER__DISABLE_COMPRESSION"] = "true"

url = given.replace("postgres:@", "postgres:trusted@localhost")  # it wants a password and a host; the socket in the query is what counts

import dlt  # noqa: E402
from dlt.sources.sql_database import sql_table  # noqa: E402

start = time.perf_counter()
table = sql_table(
    credentials=url,
    schema="public",
    table="src",
    backend="pyarrow",
    chunk_size=batch,
    reflection_level="full_with_precision",
    included_columns=["id", "small", "amount", "ratio", "name", "note", "active", "day", "moment", "ref", "doc"],  # its CSV refuses bytes
)
table.apply_hints(primary_key="id", write_disposition=disposition)
pipeline = dlt.pipeline("bench", destination=dlt.destinations.postgres(url), dataset_name="by_dlt", pipelines_dir=folder)
pipeline.run(table, loader_file_format="csv", write_disposition=disposition, primary_key="id")
print(time.perf_counter() - start)
