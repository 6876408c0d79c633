/** The helper in Perl 5.10 and later (64 bits); see `protocol.ts`. It ends when its input does. */
export const perlProgram = String.raw`
use strict;
use Fcntl ':mode', ':DEFAULT';
use Errno;
use Cwd ();
use Time::HiRes ();
my $zlib = eval { require Compress::Zlib; 1 };
my ($G, %files) = (65536);
my $Z = "\0" x $G;
$SIG{PIPE} = 'DEFAULT';
binmode STDIN; binmode STDOUT;

sub put {
    my ($o, $n) = (0, length $_[0]);
    while ($o < $n) {
        my $w = syswrite(STDOUT, $_[0], $n - $o, $o);
        exit 0 unless defined $w;
        $o += $w;
    }
}
sub get {
    my ($n, $b) = ($_[0], '');
    while (length $b < $n) {
        my $r = sysread(STDIN, $b, $n - length $b, length $b);
        exit 0 unless $r;
    }
    return $b;
}
sub answer {
    my ($i, $b, $status, $flags, $value) = @_;
    put(pack('NNCCnQ>', length $b, $i, $status || 0, $flags || 0, 0, $value || 0) . $b);
}
sub fail { die { name => $_[0], text => $_[1] } }
sub check {
    return $_[0] if $_[0];
    my $text = "$!";
    my ($name) = grep { $!{$_} } keys %!;
    fail($name || '', $text);
}
sub facts {
    my ($size, @s) = @_;
    my $k = S_ISREG($s[2]) ? 1 : S_ISDIR($s[2]) ? 2 : S_ISBLK($s[2]) ? 3 : 0;
    return pack('NQ>Q>Q>Q>Q>', $k, defined $size ? $size : $s[7], ($s[12] || 0) * 512, $s[9] > 0 ? $s[9] : 0, $s[0], $s[1]);
}
sub look {
    my @s = stat $_[0];
    check(scalar @s);
    return facts(undef, @s) unless S_ISBLK($s[2]);
    sysopen(my $d, $_[0], O_RDONLY | O_NONBLOCK) or return facts(0, @s);
    return facts(0 + sysseek($d, 0, 2), @s);
}
sub hold {
    my ($i, $d) = @_;
    my $f = 1;
    $f++ while $files{$f};
    $files{$f} = $d;
    my @s = stat $d;
    answer($i, facts(S_ISBLK($s[2]) ? 0 + sysseek($d, 0, 2) : undef, @s), 0, 0, $f);
}
sub data {
    my ($d, $o, $n) = @_;
    my $b = '';
    check(defined sysseek($d, $o, 0));
    while (length $b < $n) {
        my $r = sysread($d, $b, $n - length $b, length $b);
        check(defined $r);
        fail('', 'END ' . ($o + length $b)) unless $r;
    }
    return $b;
}
sub reading {
    my ($i, $d, $o, $n, $deflate) = @_;
    my $b = data($d, $o, $n);
    my ($count, $kept, $map, $body) = (0, 0, '', '');
    my $grains = int(($n + $G - 1) / $G);
    $map = "\0" x int(($grains + 7) / 8);
    for my $k (0 .. $grains - 1) {
        my $l = $n - $k * $G;
        $l = $G if $l > $G;
        next if substr($b, $k * $G, $l) eq ($l == $G ? $Z : substr($Z, 0, $l));
        vec($map, $k, 1) = 1;
        $kept++;
    }
    return answer($i, '', 0, 2) unless $kept;
    my $flags = 0;
    if ($kept < $grains) {
        $flags = 4;
        vec($map, $_, 1) and $body .= substr($b, $_ * $G, $G) for 0 .. $grains - 1;
    } else {
        $map = '';
        $body = $b;
    }
    my $us = 0;
    if ($deflate && $zlib) {
        my $t = Time::HiRes::time();
        my $c = Compress::Zlib::compress($body, 1);
        if (length($c) * 10 < length($body) * 9) { $body = $c; $flags |= 1; }
        $us = 1 + int((Time::HiRes::time() - $t) * 1e6);
        $us = 1 if $us < 1;
    }
    answer($i, $map . $body, 0, $flags, $us);
}
sub extents {
    my ($i, $d, $o, $e) = @_;
    my ($out, $n) = ('', 0);
    while ($o < $e && $n < 2048) {
        my $a = sysseek($d, $o, 3);
        if (!defined $a) {
            $out .= pack('Q>Q>', $o, $e) unless $!{ENXIO};
            $o = $e;
            last;
        }
        if ($a >= $e) { $o = $e; last; }
        my $b = sysseek($d, $a, 4);
        check(defined $b);
        $b = $e if $b > $e;
        $out .= pack('Q>Q>', $a, $b);
        $n++;
        $o = $b + 0;
    }
    answer($i, $out, 0, 0, $o);
}
sub entries {
    my ($i, $path) = @_;
    check(opendir(my $dir, $path));
    my $out = '';
    for my $name (sort grep { $_ ne '.' && $_ ne '..' } readdir $dir) {
        my $s = eval { look("$path/$name") };
        next unless defined $s;
        $out .= $s . pack('n', length $name) . $name;
        if (length $out > 65536) { answer($i, $out, 0, 0, 1); $out = ''; }
    }
    answer($i, $out);
}
sub folders {
    my ($path) = @_;
    return if -d $path || mkdir $path;
    fail('EEXIST', 'File exists') if -e $path;
    check(0) unless $!{ENOENT} && $path =~ m{^(.+)/[^/]+/*$}s;
    folders($1);
    check(mkdir($path) || -d $path);
}
sub serve {
    my ($i, $op, $fl, $f, $o, $x, $b) = @_;
    my $d = $files{$f};
    fail('EBADF', 'not open') if ($op >= 2 && $op <= 9 && $op != 4 || $op == 17) && !$d;
    return reading($i, $d, $o, $x, $fl & 1) if $op == 2;
    return extents($i, $d, $o, $x) if $op == 3;
    return entries($i, $b) if $op == 11;
    my $say = '';
    if ($op == 1 || $op == 4) {
        my $how = $op == 4 ? O_RDWR | O_CREAT | O_EXCL : ($x ? O_RDWR : O_RDONLY) | O_NONBLOCK;
        check(sysopen(my $new, $b, $how, $op == 4 ? $x : 0));
        return hold($i, $new);
    } elsif ($op == 5) {
        check(defined sysseek($d, $o, 0));
        for (my $done = 0; $done < length $b;) {
            my $w = syswrite($d, $b, length($b) - $done, $done);
            check(defined $w);
            $done += $w;
        }
    } elsif ($op == 6) {
        check(truncate($d, $x));
    } elsif ($op == 7) {
        require IO::Handle;
        check($d->sync);
    } elsif ($op == 8) {
        check(utime($x, $x, $d));
    } elsif ($op == 9) {
        close delete $files{$f};
    } elsif ($op == 10) {
        $say = look($b);
    } elsif ($op == 12) {
        look($b);
        $say = Cwd::realpath($b);
    } elsif ($op == 13) {
        folders($b);
    } elsif ($op == 14) {
        my ($from, $to) = split /\0/, $b;
        check(rename($from, $to));
    } elsif ($op == 15) {
        check(-d $b && !-l $b ? rmdir $b : unlink $b);
    } elsif ($op == 16) {
        $say = (getpwuid($<))[7];
    } elsif ($op == 17) {
        my $end = eval { require Digest::SHA; 1 } ? $o + $x : 0;
        for (my $a = $o; $a < $end; $a += 1048576) {
            my $l = $end - $a;
            $say .= Digest::SHA::sha256(data($d, $a, $l < 1048576 ? $l : 1048576));
        }
    } else {
        fail('ENOSYS', 'unknown request');
    }
    answer($i, $say);
}

put($ARGV[0] . ($zlib ? "\1" : "\0"));
while (1) {
    my ($n, $i, $op, $fl, $f, $o, $x) = unpack('NNCCnQ>Q>', get(28));
    my $b = $n ? get($n) : '';
    next if eval { serve($i, $op, $fl, $f, $o, $x, $b); 1 };
    my $e = ref $@ ? $@ : { name => '', text => "$@" };
    answer($i, "$e->{name}\0$e->{text}", 1);
}
`;
