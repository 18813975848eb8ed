"""Ask, measure, judge: read-only, always. Changes nothing on any server."""
