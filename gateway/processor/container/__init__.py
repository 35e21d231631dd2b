"""The file that metadata lies in: the parts of a JPEG or PNG, and what stays as it is. Knows no words."""
