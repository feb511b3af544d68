/**
 * Names that never call a stored function when written bare before a parenthesis, by server: asked of MariaDB 10.11.19
 * and MySQL 9.7.4 one by one (errors 1305 and 1630 say "would be a stored function"). A test asks again.
 */
export const NameClass = {
  /** Taken for a stored function. */
  None: 0,
  /** A native function, found by its name, quoted or not: `upper`(x) is UPPER(x). */
  Native: 1,
  /** A word of the grammar; in quotes it is a name like any other. */
  Keyword: 2,
  /** A function only where the parenthesis follows at once: COUNT (x) calls a stored function, unless IGNORE_SPACE. */
  Tight: 3,
} as const;
export type NameClass = (typeof NameClass)[keyof typeof NameClass];

interface NameGroup {
  readonly mariadb: NameClass;
  readonly mysql: NameClass;
  readonly names: string;
}

export const NAME_GROUPS: readonly NameGroup[] = [
  {
    mariadb: NameClass.Native,
    mysql: NameClass.Native,
    names: `
      abs acos addtime aes_decrypt aes_encrypt asin atan atan2 benchmark bin bit_count bit_length ceil
      ceiling character_length char_length coercibility compress concat concat_ws connection_id conv
      convert_tz cos cot crc32 datediff date_format dayname dayofmonth dayofweek dayofyear degrees elt exp
      export_set extractvalue field find_in_set floor found_rows from_base64 from_days from_unixtime
      get_lock greatest hex ifnull inet6_aton inet6_ntoa inet_aton inet_ntoa instr isnull is_free_lock
      is_ipv4 is_ipv4_compat is_ipv4_mapped is_ipv6 is_used_lock json_array json_array_append
      json_array_insert json_contains json_contains_path json_depth json_extract json_insert json_keys
      json_length json_merge json_merge_patch json_merge_preserve json_object json_overlaps json_pretty
      json_quote json_remove json_replace json_search json_set json_type json_unquote json_valid last_day
      last_insert_id lcase least length ln load_file locate log log10 log2 lower lpad ltrim makedate
      maketime make_set master_pos_wait mbrcontains mbrdisjoint mbrequals mbrintersects mbroverlaps
      mbrtouches mbrwithin monthname name_const nullif oct octet_length ord period_add period_diff pi pow
      power quote radians rand random_bytes regexp_instr regexp_replace regexp_substr release_all_locks
      release_lock reverse round rpad rtrim sec_to_time sha2 sign sin sleep soundex space sqrt strcmp
      str_to_date st_area st_asbinary st_asgeojson st_astext st_aswkb st_aswkt st_buffer st_centroid
      st_contains st_convexhull st_crosses st_difference st_dimension st_disjoint st_distance
      st_distance_sphere st_endpoint st_envelope st_equals st_exteriorring st_geomcollfromtext
      st_geomcollfromwkb st_geometrycollectionfromtext st_geometrycollectionfromwkb st_geometryfromtext
      st_geometryfromwkb st_geometryn st_geometrytype st_geomfromgeojson st_geomfromtext st_geomfromwkb
      st_interiorringn st_intersection st_intersects st_isclosed st_isempty st_issimple st_length
      st_linefromtext st_linefromwkb st_linestringfromtext st_linestringfromwkb st_mlinefromtext
      st_mlinefromwkb st_mpointfromtext st_mpointfromwkb st_mpolyfromtext st_mpolyfromwkb
      st_multilinestringfromtext st_multilinestringfromwkb st_multipointfromtext st_multipointfromwkb
      st_multipolygonfromtext st_multipolygonfromwkb st_numgeometries st_numinteriorrings st_numpoints
      st_overlaps st_pointfromtext st_pointfromwkb st_pointn st_polyfromtext st_polyfromwkb
      st_polygonfromtext st_polygonfromwkb st_srid st_startpoint st_symdifference st_touches st_union
      st_within st_x st_y substring_index subtime tan timediff time_format time_to_sec to_base64 to_days
      to_seconds ucase uncompress uncompressed_length unhex unix_timestamp updatexml upper uuid uuid_short
      version weekday weekofyear yearweek`,
  },
  {
    mariadb: NameClass.Tight,
    mysql: NameClass.Tight,
    names: `
      adddate bit_and bit_or bit_xor cast count curdate curtime date_add date_sub extract group_concat
      json_arrayagg json_objectagg max mid min now position session_user std stddev stddev_pop stddev_samp
      subdate substr substring sum system_user trim variance var_pop var_samp`,
  },
  {
    mariadb: NameClass.Keyword,
    mysql: NameClass.Keyword,
    names: `
      accessible add all alter analyze and any as asc ascii asensitive avg backup before begin between
      bigint binary binlog bit blob bool boolean both by byte cache call cascade case change char
      character charset check checksum close code collate column comment commit compressed condition
      constraint continue convert create cross current_date current_time current_timestamp current_user
      cursor databases date datetime day day_hour day_microsecond day_minute day_second deallocate dec
      decimal declare default delayed delete desc describe deterministic distinct distinctrow div do
      double drop dual each else elseif enclosed end enum escaped except exclude execute exists exit
      explain false fetch fixed float float4 float8 flush following follows for force foreign from
      fulltext function get get_format global grant group handler having help high_priority host hour
      hour_microsecond hour_minute hour_second if ignore in index infile inner inout insensitive insert
      install int int1 int2 int3 int4 int8 integer intersect interval into is iterate join json key keys
      kill language last_value leading leave left like limit linear lines load local localtime
      localtimestamp lock long longblob longtext loop low_priority match maxvalue medium mediumblob
      mediumint mediumtext middleint minute minute_microsecond minute_second modifies month names national
      natural nchar no not no_write_to_binlog null number numeric nvarchar offset on open optimize option
      optionally options or order others out outer outfile over owner parser partition port precedes
      preceding precision prepare primary procedure purge range read reads read_write real recursive
      references regexp release remove rename repair repeat replace replica replicas require reset
      resignal restore restrict return returning revoke right rlike role rollback row rows row_number
      savepoint second second_microsecond security select sensitive separator serial server session set
      show shutdown signal signed slave smallint socket some soname sounds spatial specific sql
      sqlexception sqlstate sqlwarning sql_big_result sql_calc_found_rows sql_small_result sql_tsi_day
      sql_tsi_hour sql_tsi_minute sql_tsi_month sql_tsi_second sql_tsi_year ssl start starting
      stats_auto_recalc stats_persistent stats_sample_pages stop stored straight_join table terminated
      text then ties time timestamp timestampadd timestampdiff tinyblob tinyint tinytext to trailing
      trigger true truncate unbounded undo unicode uninstall union unique unlock unsigned update upgrade
      usage use user using utc_date utc_time utc_timestamp value values varbinary varchar varcharacter
      varying weight_string when where while window with wrapper write xa xor year year_month zerofill`,
  },
  {
    mariadb: NameClass.Native,
    mysql: NameClass.Keyword,
    names: `
      coalesce collation contains database format geometrycollection json_value linestring microsecond mod
      multilinestring multipoint multipolygon password point polygon quarter row_count schema schemas srid
      week`,
  },
  {
    mariadb: NameClass.Tight,
    mysql: NameClass.Keyword,
    names: `
      cume_dist dense_rank first_value lag lead nth_value ntile percent_rank rank`,
  },
  {
    mariadb: NameClass.Keyword,
    mysql: NameClass.Native,
    names: `
      current_role`,
  },
  {
    mariadb: NameClass.Keyword,
    mysql: NameClass.Tight,
    names: `
      sysdate`,
  },
  {
    mariadb: NameClass.Native,
    mysql: NameClass.None,
    names: `
      add_months area asbinary astext aswkb aswkt binlog_gtid_pos boundary buffer centroid chr
      column_check column_exists column_json column_list concat_operator_oracle convexhull crc32c crosses
      decode decode_histogram decode_oracle des_decrypt des_encrypt dimension disjoint encode encrypt
      endpoint envelope equals exteriorring geomcollfromtext geomcollfromwkb geometrycollectionfromtext
      geometrycollectionfromwkb geometryfromtext geometryfromwkb geometryn geometrytype geomfromtext
      geomfromwkb glength interiorringn intersects isclosed isempty isring issimple json_compact
      json_detailed json_equals json_exists json_loose json_normalize json_query lengthb linefromtext
      linefromwkb linestringfromtext linestringfromwkb lpad_oracle ltrim_oracle master_gtid_wait mbrequal
      md5 mlinefromtext mlinefromwkb mpointfromtext mpointfromwkb mpolyfromtext mpolyfromwkb
      multilinestringfromtext multilinestringfromwkb multipointfromtext multipointfromwkb
      multipolygonfromtext multipolygonfromwkb natural_sort_key numgeometries numinteriorrings numpoints
      nvl nvl2 old_password overlaps pointfromtext pointfromwkb pointn pointonsurface polyfromtext
      polyfromwkb polygonfromtext polygonfromwkb replace_oracle rpad_oracle rtrim_oracle sformat sha sha1
      startpoint st_boundary st_isring st_pointonsurface st_relate substr_oracle sys_guid touches to_char
      within wsrep_last_seen_gtid wsrep_last_written_gtid wsrep_sync_wait_upto_gtid x y`,
  },
  {
    mariadb: NameClass.Tight,
    mysql: NameClass.None,
    names: `
      median percentile_cont percentile_disc trim_oracle`,
  },
  {
    mariadb: NameClass.Keyword,
    mysql: NameClass.None,
    names: `
      checkpoint clob column_add column_create column_delete column_get delete_domain_id do_domain_ids
      examined id ignored ignore_domain_ids lastval master_demote_to_replica master_demote_to_slave
      master_ssl_verify_server_cert nextval page_checksum parse_vcol_expr period portion raw ref_system_id
      rownum setval slaves varchar2`,
  },
  {
    mariadb: NameClass.None,
    mysql: NameClass.Native,
    names: `
      any_value bin_to_uuid etag format_bytes format_pico_time from_vector gtid_subset gtid_subtract
      icu_version is_uuid json_schema_valid json_schema_validation_report json_storage_free
      json_storage_size mbrcoveredby mbrcovers ps_current_thread_id ps_thread_id regexp_like roles_graphml
      source_pos_wait statement_digest statement_digest_text string_to_vector st_buffer_strategy
      st_frechetdistance st_geohash st_geomcollfromtxt st_hausdorffdistance st_isvalid st_latfromgeohash
      st_latitude st_lineinterpolatepoint st_lineinterpolatepoints st_longfromgeohash st_longitude
      st_makeenvelope st_numinteriorring st_pointatdistance st_pointfromgeohash st_simplify st_swapxy
      st_transform st_validate to_vector uuid_to_bin validate_password_strength vector_dim
      vector_to_string wait_for_executed_gtid_set`,
  },
  {
    mariadb: NameClass.None,
    mysql: NameClass.Tight,
    names: `
      json_duality_object st_collect`,
  },
  {
    mariadb: NameClass.None,
    mysql: NameClass.Keyword,
    names: `
      columns cube empty external generated geomcollection geometry grouping groups io_after_gtids
      io_before_gtids json_table lateral library member of optimizer_costs qualify rollup sets system
      tablesample vector virtual`,
  },
];

interface VersionedNames {
  /** As in {@link LexerOptions.serverVersion}: the names mean something from this version on. */
  readonly since: number;
  readonly names: string;
}

/** What below these versions is known of a name is only that both servers have long had it. */
export const NAMES_KNOWN_SINCE = { mariadb: 100400, mysql: 80011 } as const;

/** Names younger than {@link NAMES_KNOWN_SINCE}. */
export const YOUNGER_NAMES: {
  readonly mariadb: readonly VersionedNames[];
  readonly mysql: readonly VersionedNames[];
} = {
  mariadb: [
    { since: 100500, names: 'json_arrayagg json_objectagg release_all_locks' },
    { since: 100600, names: 'add_months sys_guid to_char rownum offset st_distance_sphere' },
    { since: 100700, names: 'json_equals json_normalize natural_sort_key sformat' },
    { since: 100800, names: 'crc32c' },
    { since: 100900, names: 'json_overlaps' },
    { since: 101000, names: 'random_bytes json_pretty master_demote_to_replica master_demote_to_slave' },
  ],
  mysql: [
    { since: 80012, names: 'st_latitude st_longitude' },
    { since: 80013, names: 'st_transform' },
    { since: 80014, names: 'lateral' },
    { since: 80016, names: 'format_bytes format_pico_time ps_current_thread_id ps_thread_id' },
    { since: 80017, names: 'json_overlaps json_schema_valid json_schema_validation_report member' },
    { since: 80021, names: 'json_value returning' },
    { since: 80023, names: 'st_frechetdistance st_hausdorffdistance' },
    { since: 80024, names: 'st_collect st_lineinterpolatepoint st_lineinterpolatepoints st_pointatdistance' },
    { since: 80026, names: 'source_pos_wait' },
    { since: 80031, names: 'intersect' },
    { since: 90000, names: 'from_vector string_to_vector to_vector vector vector_dim vector_to_string' },
    { since: 90700, names: 'etag external json_duality_object library qualify sets tablesample' },
  ],
};

/** Native functions of MySQL before the given version, gone (into a loadable component) since. */
export const REMOVED_FROM_MYSQL = { before: 90600, names: 'md5 sha sha1' } as const;
