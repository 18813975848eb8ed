-- In which encoding and locale does the database sort and compare?
SELECT pg_encoding_to_char(encoding) AS encoding, datcollate AS collate, datctype AS ctype,
  datlocprovider::text AS provider, datlocale AS provider_locale
FROM pg_database WHERE datname = current_database()
