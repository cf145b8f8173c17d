"""The ground that every room stands on: errors, files, text, strict JSON and YAML, SQL, workers."""
