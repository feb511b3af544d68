# A child that is forked with an open connection of mysql2 and ends: its exit says goodbye (COM_QUIT) on its parent's socket.
#
# MYBOUNCER_TEST_URL: the database. Argument: idle (the child ends while the parent does nothing) or busy (while a statement of
# the parent's runs). Prints what became of the parent's statements as one line of JSON.
require 'json'
require 'mysql2'
require 'uri'

url = URI(ENV.fetch('MYBOUNCER_TEST_URL'))
connect = lambda do
  Mysql2::Client.new(host: url.host, port: url.port, username: url.user, password: url.password,
                     database: url.path.delete_prefix('/'))
end
ask = lambda do |client, sql|
  client.query(sql).first.values.last.to_s
rescue Mysql2::Error => e
  "#{e.error_number} #{e.message}"
end

client = connect.call
answers = { before: ask.call(client, 'SELECT 1') }
busy = ARGV.fetch(0) == 'busy'
child = fork { sleep 0.3 if busy }
Process.wait(child) unless busy
answers[:during] = ask.call(client, 'SELECT SLEEP(4), 2') if busy
Process.wait(child) if busy
answers[:after] = ask.call(client, 'SELECT 3')
answers[:pid] = Process.pid
answers[:child] = child
client = connect.call
answers[:reconnected] = ask.call(client, 'SELECT 4')
puts JSON.generate(answers)
