"""Storage that speaks the S3 API: AWS S3, Cloudflare R2, MinIO and others."""
