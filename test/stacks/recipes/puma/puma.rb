# config/puma.rb
workers 4
threads 4, 4
preload_app! # without it, before_fork may go

before_fork { DB.close }
