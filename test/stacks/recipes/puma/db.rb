# db.rb
require 'mysql2'

module DB
  # Each thread has a connection of its own. PING is answered by the proxy.
  def self.client
    client = Thread.current.thread_variable_get(:db)
    return client if client&.ping

    client = Mysql2::Client.new(host: '127.0.0.1', port: 6033, username: 'app', password: 'secret', database: 'shop')
    Thread.current.thread_variable_set(:db, client)
    client
  end

  # Closes what the thread that loads the app has opened.
  def self.close
    Thread.current.thread_variable_get(:db)&.close
    Thread.current.thread_variable_set(:db, nil)
  end
end
