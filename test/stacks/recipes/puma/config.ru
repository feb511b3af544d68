# A small shop; what it looks up while it is loaded, it looks up before the workers are forked.
require 'json'
require_relative 'db'

ITEMS = DB.client.query('SELECT COUNT(*) AS number FROM items').first['number']

def take(db, id)
  db.query('BEGIN')
  db.query("UPDATE items SET stock = stock - 1 WHERE id = #{id}")
  db.query("INSERT INTO orders (item) VALUES (#{id})")
end

run lambda { |env|
  _, action, id = env['PATH_INFO'].split('/')
  id = Integer(id)
  db = DB.client
  answer = { pid: Process.pid }
  case action
  when 'item'
    # Closed here: the garbage collector would close it whenever it likes, in the middle of another query, too.
    statement = db.prepare('SELECT id, name FROM items WHERE id = ?')
    answer.update(statement.execute(id).first, of: ITEMS)
    statement.close
  when 'buy'
    take(db, id)
    db.query('COMMIT')
  when 'slow' # whoever runs it is killed
    take(db, id)
    db.query("SELECT SLEEP(60) /* worker #{Process.pid} request 0 */")
    db.query('COMMIT')
  end
  [200, { 'Content-Type' => 'application/json' }, [JSON.generate(answer)]]
}
