"""Values as text, in aligned columns and as HTML; all functions are pure."""
