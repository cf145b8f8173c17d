"""Sums as people and models write them: right, wrong, and such as nobody can check.

They are drawn from how GSM8K, MATH, Alpaca, reasoning models and children write; a line here is a
step, in which `\\n` begins a new line.
"""


def _steps(table: str) -> list[str]:
    return [line.replace(r"\n", "\n") for line in table.strip().splitlines()]


# Each has a right sum, and none that is wrong.
RIGHT = _steps(
    r"""
48/2 = 24 clips
She has 5 + 3 = 8 apples.
$1,200 - $300 = $900
20% of 50 = 10
50 x 3 = 150
6 × 7 = 42
8 ÷ 2 = 4
1/2 + 1/4 = 3/4
2^3 = 8
2**3 = 8
(3+4)*2=14
1 1/2 + 2 1/2 = 4
2½ + 1½ = 4
\frac{1}{2} + \frac{1}{4} = \frac{3}{4}
$\frac{48}{2} = 24$
\(5 \times 3 = 15\)
\[ 6 \cdot 7 = 42 \]
$$8 \div 2 = 4$$
1{,}000 + 500 = 1{,}500
1,000,000 / 4 = 250,000
10/3 = 3.33
10/3 ≈ 3.33
10/3 = 3.333...
1/3 = 0.333
2/3 = 0.67
2/3 ≈ 0.667
10 / 3 is about 3.3
10/3 = 3.3 (rounded to one decimal)
100/7 ≈ 14.29
22/7 ≈ 3.14
3 apples * 4 = 12 apples
60 minutes / 4 = 15 minutes
Natalia sold 48/2 = <<48/2=24>>24 clips in May.
Natalia sold 48+24 = <<48+24=72>>72 clips altogether in April and May.
Weng earns 12/60 = $<<12/60=0.2>>0.2 per minute.
Working 50 minutes, she earned 0.2 x 50 = $<<0.2*50=10>>10.
In the beginning, Betty has only 100 / 2 = $<<100/2=50>>50.
Betty's grandfather gave her 15 * 2 = $<<15*2=30>>30.
This means, Betty needs 100 - 50 - 30 - 15 = $<<100-50-30-15=5>>5 more.
5 − 8 = −3
5 – 3 = 2
-5 + 8 = 3
5 + (-3) = 2
5 - -3 = 8
3 * -4 = -12
2 < 3 <= 5
2 < 3 ≤ 5 < 9
15 > 12
5 + 3 > 7
5 + 3 != 9
5 + 3 ≠ 9
10 >= 9 + 1
3*4 = 12 = 24/2
0.2 = 20%
1/4 = 25%
6 / 12 = 50.0%
360 / 1440 * 100% = 25%
15/60 * 100 = 25%
100% - 25% = 75%
100 - 25 = 75%
50% * 50% = 25%
25% + 25% = 50%
Total = 5 + 3 = 8
profit = 20 - 5 = 15
x = 5 + 3 = 8
So the answer is 7 * 8 = 56.
Therefore, 12 + 15 = 27 marbles in total
**5 + 3 = 8**
5 + 3 = **8**
**Step 2:** 4 * 6 = 24
- 5 + 3 = 8
* 5 + 3 = 8
• 5 + 3 = 8
1. 5 + 3 = 8
2) 4 * 5 = 20
(a) 9 - 4 = 5
5 plus 3 equals 8
80 plus 108 plus 7 equals 195
12 times 9 equals 108
100 divided by 4 is 25
200 minus 195 equals 5
7 multiplied by 6 is equal to 42
48/2 is 24, not 25
5 + 3 is 8.
3 + 4 = 7\n7 * 2 = 14
5 + 3\n= 8
48 / 2\n= 24\n= 12 * 2
\begin{align*} 5 + 3 &= 8 \\ 8 \times 2 &= 16 \end{align*}
\begin{aligned} (2+3)^2 &= 5^2 \\ &= 25 \end{aligned}
3^2 + 4^2 = 9 + 16 = 25 = 5^2
√16 = 4
\sqrt{144} = 12
sqrt(81) = 9
3² + 4² = 25
2 × 10³ = 2000
6.02e23 * 2 = 1.204e24
3 × 10^8 * 2 = 6 × 10^8
1.5 × 10^3 = 1500
12 ÷ 2/3 = 18
1/2 ÷ 1/4 = 2
3/4 of 20 = 15
1/2 of the 10 cookies = 5 cookies
25% of the 40 students = 10 students
20 percent of 50 = 10
10% of $50 = $5
15% of 80 is 12
$5.00 - $3.25 = $1.75
$3 + $8 = $11
3 * €10 = €30
2 board games * €3 = €6
£74/hour * 8 hours = £592
65 x £10 = £650
$20.32 * 16 = $325.12
$10 / 3 = $3.33
$1.5 million + $0.5 million = $2 million
2 million + 3 million = 5 million
1.2 million / 4 = 300,000
36 girls + 72 boys = 108 kids
225 meters / 45 meters/minute = 5 minutes
7 days/week * 4 weeks/month = 28 days/month
60 miles per hour * 2 hours = 120 miles
44 inches/remora * 3 remoras = 132 inches
132 inches / 12 inches/foot = 11 feet
32 grams/4 = 8 grams
43 students - 21 girls = 22 boys
85 total students - 14 read - 2 volleyball - 4 paint = 65
20 + 33 signatures = 53 signatures
5 m × 4 m = 20 m^2
90° + 45° = 135°
180^\circ - 60^\circ = 120^\circ
8+2(11)=30.0 minutes
2(32+17) = 98
(3)(4) = 12
3(2) + 1 = 7
2 × (3 + 4) = 14
((2 + 3) * (4 - 1)) = 15
[2 + 3] * 2 = 10
100 - (20 + 30) = 50
12 = 2^2 * 3
60 = 2 × 2 × 3 × 5
5*5=25=25
1.50 * 4 = 6
1.50 * 4 = 6.00
0.5 * 0.5 = .25
7.066666666666666 = 424 / 60
424 / 60 = 7.066666666666666
2/3 = 66.7%
1/3 + 1/3 + 1/3 = 1
1/6 ≈ 0.1667 ≈ 16.7%
48 × 52 ≈ 50 × 50 = 2500
19 * 21 ≈ 400
3.14 × 25 ≈ 78.5
9 - 4 = 5 and 5 * 2 = 10
He bought 3 packs of 6, so 3 * 6 = 18, and gave away 4, leaving 18 - 4 = 14.
If he sells 4, he makes 4 * $3 = $12.
Units: 7+0=7.
Tens: 1+2=3, so 17+20=37.
7+8=15, write 5 carry 1
a^2 + b^2 = c^2, so 3^2 + 4^2 = 25
f(2) = 2^2 + 1 = 5
C(5,2) = (5*4)/(2*1) = 10
The average is (80 + 90 + 100) / 3 = 90.
The square has an area of 4 * 4 = 16.
17 * 24 = 17 * 20 + 17 * 4 = 340 + 68 = 408
23 × 4 = (20 × 4) + (3 × 4) = 80 + 12 = 92
Let's check: 2*6 + 3 = 15 ✓
Check: 4(5) - 7 = 13 ✅
= 5 * 4 = 20
$9 - 4 = 5$ and $5 \cdot 2 = 10$
\text{Total} = 3 \times 12 = 36 \text{ eggs}
\boxed{8} = 5 + 3
5 + 3 = \boxed{8}
3 \frac{1}{2} + 1 \frac{1}{2} = 5
\frac12 + \frac12 = 1
\dfrac{3}{4} \times 8 = 6
\left(3 + 4\right) \times 2 = 14
50\% \times 80 = 40
\$5 + \$3 = \$8
5+3 = 8 apples and 2+2 = 4 pears
5 * 3 = 15; 15 - 4 = 11
4 + 5 (from step 2) = 9
5 (red) + 3 (blue) = 8
4 time(s) * 2 = 8
the total is 3 + 4 = 7!
4 dozen * 12 = 48 eggs
2 weeks * 7 = 14 days
1 + 2 + 3 + 4 + 5 + 6 + 7 + 8 + 9 + 10 = 55
1 - 1/2 - 1/3 = 1/6
-(3 - 5) = 2
(-2)^2 = 4
2^-1 = 0.5
2^{10} = 1024
10^{-2} = 0.01
5 * 0 = 0
0 / 5 = 0
16^(1/2) = 4
1/2 * 6 * 4 = 12 square units
F = 9/5 * 20 + 32 = 68°F
3x + 1 = 3(2) + 1 = 7
I think 5 + 3 = 8, so 8 * 2 = 16.
"5 + 3 = 8"
`5 + 3 = 8`
assert 5 + 3 == 8
5 + 3 = 8 (since 5 and 3 make 8)
So we get 40 - 15 = 25 left.
5 apples + 3 apples = 8 fruits
30 questions * 0.5 = 15 points
$290,000 x 6/100 = $17,400
930 * 1/2 = $465
2*110 = 220 eggs, 8*100 = 800 eggs
12 + 12 + 12 = 12 * 3 = 36
Okay, so first I need 15 times 12. 15*10 = 150, and 15*2 = 30, so 150 + 30 = 180.
Let me double-check: 180 / 12 = 15. Yes, that matches.
Hmm, 24 × 25 = 600? 24 × 100 = 2400, divided by 4: 2400 / 4 = 600.
The sum of the first 10 numbers is 10 × 11 / 2 = 55.
Substituting, we get $2(3)^2 - 4(3) + 1 = 18 - 12 + 1 = 7$.
Since $3^2 = 9$ and $4^2 = 16$, we have $9 + 16 = 25$.
The discriminant is $(-5)^2 - 4(1)(6) = 25 - 24 = 1$.
The area is $\frac{1}{2} \cdot 6 \cdot 8 = 24$.
Thus $\dfrac{3}{5} + \dfrac{1}{10} = \dfrac{6}{10} + \dfrac{1}{10} = \dfrac{7}{10}$.
The probability is $\frac{3}{10} \times \frac{2}{9} = \frac{6}{90} = \frac{1}{15}$.
We have $2^3 \cdot 3^2 = 8 \cdot 9 = 72$.
The slope is (7 - 3)/(4 - 2) = 4/2 = 2.
The distance is sqrt((4-1)^2 + (6-2)^2) = sqrt(9 + 16) = sqrt(25) = 5.
Simple interest: $1000 × 5% × 3 = $150.
Discount = 20% × $80 = $16, so the price is $80 − $16 = $64.
The mean is (4 + 8 + 15 + 16 + 23 + 42) / 6 = 108 / 6 = 18.
Speed = 150 km / 3 h = 50 km/h
Perimeter = 2 × (5 cm + 3 cm) = 16 cm
Area: 5 cm × 3 cm = 15 cm²
Profit: $45 - $30 = $15; margin: $15 / $45 = 33.3%
60 + 25 + 10 + 5 = 100 (%)
0.1 + 0.2 = 0.3
1.1 * 1.1 = 1.21
7 x 8 = 56. 56 + 4 = 60. 60 / 5 = 12.
3/8 + 3/8 = 6/8 = 3/4
5 - 7 = -2, so the temperature is -2 degrees.
45 / 9 = 5, 5 x 2 = 10
12 x 12 = 144.
"""
)

# Each has nothing that is wrong beyond doubt: variables, functions, units, other rules.
OPEN = _steps(
    r"""
24=24
12 = 12 = 12
10 = 10.0
1/4 = 0.25 = 25
4 * 25 = 100 = 1 dollar
5 * 60 = 300 = 5 minutes
17 * 3 = 51 = 1 mod 5
7 / 2 = 3.5 = 4
2 + 3 = 5 = 101 in binary
0.75 * 100 = 75 = 0.75
x = 5
2x + 3 = 13
2x = 10
x + 3 = 13
y = 2x + 1
y + x = 94
3m + 4 = 19
2 hours = 120 minutes
1 km = 1000 m
1.5 hours = 90 minutes
2 hours + 30 minutes = 150 minutes
1 foot = 12 inches
5 ft 3 in = 63 in
10 kg = 22 lbs
100°C = 212°F
$5 = 500 cents
$1.50 + 50 cents = $2.00
4 quarters + 2 dimes = $1.20
3 * 25 cents = $0.75
2 dozen = 24
2 dozen + 3 = 27
3 weeks * 5 = 105 days
60 mph * 30 minutes = 30 miles
60 miles per hour × 30 minutes = 30 miles
9:40 + 1:25 = 11:05
12:30 - 0:45 = 11:45
3:2 = 6:4
the ratio 3:2 = 1.5
pages 10-15 = 6 pages
1990-2000 = 10 years
2024-01-15 = Monday
5/12/2024 = Sunday
version 1.2.3 = 4
17 / 5 = 3 remainder 2
17 ÷ 5 = 3 R 2
17 ÷ 5 = 3R2
100 / 7 = 14 with 2 left over
10 + 5 = 1 (mod 7)
17 mod 5 = 2
17 % 5 = 2
5 + 9 = 2 on a clock
1 + 1 = 10 in binary
101 + 11 = 1000 (base 2)
101_2 = 5
0x1F = 31
1011₂ = 11
f(2) = 4
gcd(4,6) = 2
GCD(12, 18) = 6
lcm(4, 6) = 12
P(A) = 3/4
sin(30) = 1/2
sin 30 = 1/2
log 100 = 2
log_2 8 = 3
a_5 = 3 + 8
a_{5} = 13
i = 0
x = x + 1
x += 5
for i in range(3): total = total + 5
```\n5 + 3 = 9\n```
It is not true that 5 + 3 = 9.
5 + 3 = 9 is wrong.
wrong: 2+2=5
Incorrect: 7 * 8 = 54
if 2 + 2 = 5, pigs fly
Suppose 3 * 4 = 13
Is 5 + 3 = 9?
Does 7 * 6 = 44?
5 + 3 = 9. Wait, that's not right.
5 + 3 = 9. No, 5 + 3 = 8 would fit.
He wrote 5 + 3 = 9 by mistake.
Bob says that 2 + 2 = 5
5 + 3 = ?
5 + ? = 8
? + 3 = 8
5 + _ = 8
___ + 3 = 8
☐ + 3 = 8
5 + □ = 8
1 + 2 + ... + 10 = 55
1 + 2 + 3 + ... + 100 = 5050
|3 - 5| = 2
5! = 120
4! = 4 * 3 * 2 * 1
n! = n(n-1)!
e8=Q
(1, 2) + (3, 4) = (4, 6)
[1 2] + [3 4] = [4 6]
{1,2} ∪ {3} = {1,2,3}
π * 5^2 = 78.54
2π = 6.28
\pi r^2 = 78.5
\sqrt{2} = 1.414
√2 ≈ 1.414
\sum_{i=1}^{3} i = 6
\lim_{x \to 0} x + 1 = 1
3,5 + 1,5 = 5
1.200 + 300 = 1.500
1.000 + 500 = 1.500
square root of 9 + 16 = 5
the average of 4 and 6 = 10/2
half of 10 + 4 = 9
half of 10 = 5
twice 5 + 2 = 14
half * 98 ladybugs = 49 beetles
Day 3 = 5 + 4
Week 2 = 10 * 2
Side 1 = 3*4
Player 2 = 7 + 4
sum from 1 to 10 = 10*12
Step 5 = 6
2 apples + 3 bananas = $19
3 shirts + 2 pants = $104
2 chickens + 3 cows = 16 legs
1 adult + 2 kids = $25
7/2 = 3
7 / 2 = 4
10/3 = 3
0.46*40 = 18 students
1634 / 408 = 5 trips
50 + 10% = 55
200 - 10% = 180
$50 + 8% = $54
5 + 3 = 8 - 2 = 6
10 * 2 = 20 + 5 = 25
100 / 4 = 25 * 3 = 75 - 5 = 70
5 + 3 = 8 - x
5 + 3 = 8 + the rest = 10
x = 2 or x = 3
x^2 = 4
x² + 1 = 5
4 ± 1 = 5 or 3
A = 1/2 bh
V = 4/3 π r^3 = 33.5
E = mc^2
H2O + CO2 = H2CO3
3 goals to 2 = a win
5'6" = 66 inches
2x3 matrix + 2x3 matrix = 2x3 matrix
1st + 2nd = 3
1st + 2nd = 4
profit + 5 = 20
Total cost - 5 = 15
2 apples each + 3 = 9
3 + 5 each = 16
5 less than 10 + 2 = 7
3 more than 5 * 2 = 13
20% off 50 + 10 = 50
multiplied by 5 + 3 = 40
8, then minus 2 = 6
8\n+ 2 = 10
10\n- 3 = 7
14\n× 2 = 28
1/7 = 0.(142857)
25/3 = 8.(3)
10/3 = 3.3̅
1/0 = 0
5 / 0 = undefined
9^9^9^9 = 5
10^1000 = 5
0.999... = 1
1/3 = 0.33
0.33 * 3 = 1
0.67 * 1200 = 800
33% of 600 = 200
3.14 × 25 = 78.54
16.67% of 600 = 100
5 * 0.33 = 1.67
3.33 + 3.33 = 6.67
12 * 0.38 = €4
5 + 3 => 8
5 + 3 -> 9
> 5 + 3
<b>5</b> + 3 = 8
http://a.b/?q=5&r=3-1
8=D
:=5 + 3
key=5+3
arr[3] = 5 + 2
print(5+3) = 8
range(5) = 5
A+ = 5
3 - 8 = 5 borrow 1
7 + 8 = 5 carry 1
4 tens + 3 ones = 43
4 and 5 + 2 = 11
She has 3 and 4 + 5 = 12
Question 4 = 2 + 3
5,3 + 2 = 7.3
1 dozen - 4 = 8 eggs
7 pairs * 2 = 14 shoes
24 x
5 of 20 = 25%
2 out of 5 = 40%
$2 for 3 = $6
-3^2 = 9
3^2^2 = 81
8 / 2(2+2) = 16
8 / 2(2+2) = 1
6 / 1/2 = 12
5 choose 2 = 10
10 factorial = 3628800
5 + 3 ≡ 1 (mod 7)
7 \equiv 1 \pmod 3
\binom{5}{2} = 10
3 \text{ apples} = 6 \text{ dollars}
2.5.1 = 3
1 000 000 / 1 000 = 1 000
The dimensions are 3x4 and the score was 3-2.
Let x = 7 and y = 3.
Solving 3x - 7 = 8 gives x = 5.
Set n = 3k + 1.
Flight 5 - 10 = the gate
At 5:30 = half past five
In 2020-2021 = one year
The odds are 3:1 = 75%
pH = 7
Chapter 3 = pages 40-55
I rate it 8/10 = very good
Model A: R² = 0.92, p < 0.05
n = 30, p = 0.03 < 0.05
Let f(x) = x^2 + 1, so f(3) = 10.
g(2) + h(3) = 12
det(A) = 2*3 - 4*1
\log_{10} 1000 = 3
\cos 60^\circ = \frac{1}{2}
\angle ABC = 180 - 2x
|x| = 5
a = b = 3
We need a + b = 10 and a - b = 4.
3a + 2b = 12
10 = 3 + x
a:b = 2:3
6 : 3 = 2
5 km/h = 1.39 m/s
1 inch = 2.54 cm
32°F = 0°C
$1 = €0.92
2 tbsp = 1/8 cup
3 tsp = 1 tbsp
1 lb = 16 oz
1 min = 60 s
24 hours = 1 day
2 + 2 = fish
1 + 1 = window
<div class="a" id=5>
if (a == 5 && b != 3) { return 7; }
let total = a * 5 + 3;
$i = 5; $j = $i + 3;
SELECT * FROM t WHERE a = 5
2 cups + 3 tbsp = 35 tbsp
The price increased by 20%, so $50 + 20% of $50 = $60.
She gave away 1/3 of 24 = 8 and kept 24 - 8 = 16.
3 dozen eggs = 36 eggs, 36 - 7 = 29
2 hours and 30 minutes = 150 minutes
From 9:15 to 11:45 = 2 hours 30 minutes
Each pack has 6 cans, 4 packs = 24 cans
Tom has 5 apples, 3 more than Ann = 2
twice as many = 2 * 7 = 14
Half as many as 10 = 5 cookies
So 60% * 50 students = 30 students
The remaining 40% = 20 students
5 people x 2 hours = 10 man-hours
$15/hour x 8 hours/day x 5 days = $600
a 3-4-5 triangle: 3^2 + 4^2 = 5^2
\frac{a}{b} = \frac{3}{4} = 0.75
$\frac{3}{4} = \frac{x}{12}$
$x = \frac{12 \cdot 3}{4} = 9$
$\sqrt{3^2+4^2} = \sqrt{25} = 5$
$\log_2 8 = 3$
$5! = 5 \cdot 4 \cdot 3 \cdot 2 \cdot 1 = 120$
$\binom{5}{2} = \frac{5!}{2!3!} = 10$
$10 \bmod 3 = 1$
$2^{-1} \equiv 4 \pmod 7$
$1 + 2 + \cdots + 10 = 55$
$0.\overline{3} = \frac{1}{3}$
$\lfloor 7/2 \rfloor = 3$
$\lceil 7/2 \rceil = 4$
$|{-5}| = 5$
$i^2 = -1$
$e^{i\pi} + 1 = 0$
$\sin^2 x + \cos^2 x = 1$
$(x+1)(x+2) = x^2 + 3x + 2$
$f(3) = 2 \cdot 3 + 1 = 7$
$a_1 = 2, a_2 = 2 + 3 = 5$
$S_{10} = \frac{10(2 + 29)}{2} = 155$
$\triangle ABC = 180$
$30^\circ + 60^\circ = 90^\circ$
$100\,\text{cm} = 1\,\text{m}$
$\$4.50 \times 3 = \$13.50$
$12 \text{ apples} \div 4 = 3 \text{ apples}$
$7 \times 8 = 7 \times (10 - 2) = 70 - 14 = 56$
Take 17. 17 is prime, 18 = 2 * 3^2 and 19 is prime.
1 + 1 = 2 is obvious, but 2 + 2 = 22 is string concatenation
"2" + "2" = "22"
print(0.1 + 0.2)  # = 0.30000000000000004
0.1 + 0.2 = 0.30000000000000004
5 // 2 = 2
7 & 3 = 3
1 << 3 = 8
3 | 4 = 7
!true = false
x -= 1; x = 5 - 1
The ratio of boys to girls is 3:2, so 3/5 * 30 = 18 boys
Total time = 45 min + 1 h 15 min = 2 h
45 minutes + 75 minutes = 120 minutes = 2 hours
$3.00 + 25¢ = $3.25
10 dimes = $1 and 4 quarters = $1
9 am + 5 hours = 2 pm
11 + 3 = 2 o'clock
Monday + 3 days = Thursday
2 x 4s = 8 ft
A 2 x 4 = a piece of wood
4 x 100 m relay = 400 m
Score: 21 - 14 = a win by 7
He ran 3.5 + 2 = 5 1/2 miles
6 - 2 1/2 = 3 1/2
7 8ths - 3/8 = 1/2
Q: 5 + 3 = A: 8
5 + 3 = __8__
Answer: 5 x 3 = 15 R 0
29 / 4 = 7 r 1
29 ÷ 4 = 7 remainder 1, because 4 × 7 = 28 and 29 - 28 = 1
Estimate: 48 + 33 = 50 + 30 = 80
about 198 + 305 = 500
198 + 305 is approximately 500
3,000 + 2.5k = 5.5k
2k + 3k = 5k
1M + 500K = 1.5M
5 + 3 = 8 = 4 * 2 = 2^3
-40°F = -40°C
(5, 3) + (2, 1) = (7, 4)
A = {1, 2}, |A| = 2
p = 1/2 < 1
0 < x < 5
-1 <= cos x <= 1
3 ≤ n ≤ 7
Since 2x = 10, x = 10/2 = 5
3x = 12 => x = 12/3 = 4
x/4 = 5, so x = 5*4 = 20
x + 5 = 12 → x = 12 - 5 = 7
y = 3(4) - 2 = 10
(4)(5) - 2(3) = 14
2[3 + 4(5 - 2)] = 30
{[(2 + 3) * 2] + 1} * 3 = 33
Cost per item = $24 ÷ 6 = $4/item
average = (3+5+7)/3 = 5
average of 3, 5 and 7 = 15/3 = 5
The 10th term = 3 + 9*4 = 39
Page 5 = 4 + 1
2nd place = 10 points
Room 12 = 3 * 4 desks
sum = 0; for 1 to 3: sum = 0+1 = 1, 1+2 = 3, 3+3 = 6
1+2=3+3=6+4=10
12 inches = 1 foot, so 36 / 12 = 3 feet
5 feet * 12 + 6 = 66 inches
1 mile = 5280 feet; 5280 / 3 = 1760 yards
$500 * 1.05^2 = $551.25
$1000(1 + 0.05)^3 = $1157.63
1000 × 1.05³ ≈ 1157.63
(1.05)^10 ≈ 1.6289
C = 2πr = 2 * 3.14 * 5 = 31.4
A = πr² = 3.14 × 25 = 78.5 cm²
V = (4/3)π(3)^3 = 36π
36π = 113.1
distance = 60 mph × 2.5 h = 150 miles
time = 150 mi / 60 mph = 2.5 h = 150 min
60 km/h = 60/3.6 = 16.67 m/s
68°F = (68 - 32) × 5/9 = 20°C
BMI = 70 / 1.75^2 = 22.9
GPA = (4.0*3 + 3.0*4)/7 = 3.43
tip = 18% of $42.50 = $7.65
$42.50 + $7.65 = $50.15
20% discount on $80 = $16, $80 - $16 = $64
$80 less 20% = $64
80 - 20% = 64
80 * (1 - 20%) = 64
3 for $5, so 12 = 4 × $5 = $20
12 items = 4 × $5 = $20
8 = 2^3, 9 = 3^2, so lcm = 8 * 9 = 72
1 = 1, 1 + 3 = 4, 1 + 3 + 5 = 9
The store sold 12 + 8 = 20 on Monday, 2 x that = 40 on Tuesday
8 = 5 apples + 3
Round 1 = 10 points, round 2 = 10 + 5 = 15
Let n = 3: 2n = 6, n^2 = 9, 2^n = 8
So 2^n = 8 = 2^3, n = 3
Check x = 4: 3(4) + 2 = 14. ✔
(−2)(−3) = 6, (−2) + (−3) = −5
−2 − 3 = −5
2 − −3 = 5
Take the 5 and the 3: 5 3 = 15
54 = 5 tens + 4 ones
54 = 5 × 10 + 4
0.75 = 75/100 = 3/4
.75 x 4 = 3.00
75¢ x 4 = $3
$0.75 x 4 = $3
3/4 cup x 4 = 3 cups
1 1/2 cups x 2 = 3 cups
1/2 cup + 1/4 cup = 3/4 cup = 12 tablespoons
4/5 = 80% = B
18/20 = 90% (A-)
7 out of 10 = 70%
P(red) = 3/8, P(blue) = 1 - 3/8 = 5/8
P(A and B) = 1/2 * 1/3 = 1/6
C(4,2)*C(3,1) = 6*3 = 18
nCr = 10!/(3!7!) = 120
3! = 6 and 4! = 24
Is 91 prime? 91 = 7 * 13. No.
17 = 17 * 1
100 / 8 = 12.5 → 13 boxes
100 / 8 = 12.5, rounded up = 13
100/8 = 13 boxes (rounded up)
2.5 hours = 2 hours 30 minutes = 150 minutes
150 / 60 = 2.5 = 2 hr 30 min
60 * 24 = 1440 minutes in a day; 1440 * 7 = 10,080
365 / 7 = 52 weeks + 1 day
365 = 52 * 7 + 1
1 year = 52 weeks = 365 days
2,5 * 2 = 5
1.5 x 10^8 km / 3 x 10^5 km/s = 500 s
3 x 10^8 / 1.5 x 10^8 = 2
6.022 × 10²³ × 2 = 1.2044 × 10²⁴
ln(1) = 0, e^0 = 1
0! = 1
1/∞ = 0
∞ + 1 = ∞
√2 × √2 = 2
(√3)^2 = 3
√(9) + √(16) = 7
∛27 = 3
27^(1/3) = 3
8^(2/3) = 4
4^0.5 = 2
2x(3) + 1 = 13
2·3 + 1 = 7
2 . 3 = 6
2,3 + 1 = 3,3
12,5 % de 80 = 10
Il reste 24 - 5 = 19 pommes
Das sind 3 * 4 = 12 Äpfel, also 12 - 2 = 10.
3 + 4 = 7(yes)
3 + 4 = 7, 4 + 3 = 7 (commutative)
9 - 3 / 3 + 2 = 10
(9 - 3) / (3 + 2) = 1.2
9 - 3 ÷ 1/3 + 1 = 1
6 ÷ 2(1 + 2) = 9
6 ÷ 2(1+2) = 1
0 ÷ 5 = 0 and 5 ÷ 0 = undefined
T = 2 × 3 + 4 × 5 = 6 + 20 = 26
So far: 10 + 20 = 30. Adding 5 gives 30 + 5 = 35. Then doubling: 35 * 2 = 70.
x = (-b ± √(b² - 4ac)) / 2a = (5 ± 1) / 2 = 3 or 2
x = (5 + 1) / 2 = 3 or x = (5 - 1) / 2 = 2
width = 4, length = 2 * width = 2 * 4 = 8, area = 4 * 8 = 32
A: 3 + 2 = 5; B: 5 - 1 = 4; A + B = 9
#1: 5 + 5 = 10 #2: 6 + 6 = 12
Row 2: 1 + 2 = 3 | 2 + 3 = 5 | 3 + 4 = 7
| 3 + 4 | = | 7 |
| item | 2 x $3 | = $6 |
3 * 4 = 12 /2 = 6
10 + 5 = 15 x 2 = 30 - 4 = 26
10 + 5 = 15, x 2 = 30, - 4 = 26
start 10, +5 = 15, -3 = 12, *2 = 24
The score went from 3-2 to 5-2 = a three goal lead
room 5-3 = 2nd floor
2020 - 1995 = 25 years old
born 1990 + 30 = 2020
$3-$5 = a range
temp: 5 - 8 = -3 degrees
5 less 3 = 2
5 over 3 = 1.67
1 in 4 = 25%
9 out of 12 = 3/4
60 out of 80 = 60/80 = 75%
Two thirds of 30 = 20
one-half of 10 = 5, 3 times 4 is 12
12 is 3 times 4
12 is 3 more than 9
10 - 4 is 2 times 3
5 + 3 is more than 7
3 + 4 are 7
3/4 is 0.75, 3/5 is 3 parts out of 5
4 is 20 / 5
"""
)

# Each has a planted error.
WRONG = _steps(
    r"""
5*5=25=26
So 3 + 4 = 7 = 8.
12 - 4 = 8 = 9
48/2 = 25 clips
Natalia sold 48/2 = 25 clips in May.
She has 5 + 3 = 9 apples.
$1,200 - $300 = $800
$1,200 - $300 = $1,900
20% of 50 = 12
50 x 3 = 160
6 × 7 = 48
8 ÷ 2 = 3
1/2 + 1/4 = 2/6
1/2 + 1/3 = 2/5
2^3 = 6
2**3 = 9
(3+4)*2=11
3 + 4 * 2 = 14
1 1/2 + 2 1/2 = 5
So 2½ + 1½ = 5
\frac{1}{2} + \frac{1}{4} = \frac{2}{6}
$\frac{48}{2} = 26$
\(5 \times 3 = 18\)
\[ 6 \cdot 7 = 43 \]
$$8 \div 2 = 6$$
1{,}000 + 500 = 2{,}500
1,000,000 / 4 = 25,000
10/3 = 3.43
10/3 ≈ 4.33
1/3 = 0.4
2/3 = 0.76
100/7 ≈ 15.29
3 apples * 4 = 13 apples
60 minutes / 4 = 12 minutes
Natalia sold 48/2 = <<48/2=25>>25 clips in May.
Natalia sold 48+24 = <<48+24=62>>62 clips altogether in April and May.
Weng earns 12/60 = $<<12/60=0.5>>0.5 per minute.
Working 50 minutes, she earned 0.2 x 50 = $<<0.2*50=12>>12.
Betty's grandfather gave her 15 * 2 = $<<15*2=35>>35.
This means, Betty needs 100 - 50 - 30 - 15 = $<<100-50-30-15=15>>15 more.
5 − 8 = 3
5 – 3 = 3
-5 + 8 = -3
5 + (-3) = 8
5 - -3 = 2
3 * -4 = 12
2 < 3 <= 2
12 > 15
5 + 3 > 8
5 + 3 ≠ 8
8 + 1 >= 10
3*4 = 12 = 26/2
0.2 * 5 = 20%
6 / 12 = 60%
360 / 1440 * 100% = 20%
100% - 25% = 85%
50% * 50% = 20%
25% + 25% = 60%
Total = 5 + 3 = 9
profit = 20 - 5 = 25
x = 5 + 3 = 9
So the answer is 7 * 8 = 54.
Therefore, 12 + 15 = 28 marbles in total
**5 + 3 = 9**
5 + 3 = **9**
**Step 2:** 4 * 6 = 25
- 5 + 3 = 9
* 5 + 3 = 9
• 5 + 3 = 9
1. 5 + 3 = 9
2) 4 * 5 = 25
(a) 9 - 4 = 6
5 plus 3 equals 9
80 plus 108 plus 7 equals 194
12 times 9 equals 118
100 divided by 4 is 20.
200 minus 195 equals 15
7 multiplied by 6 is equal to 48
48/2 is 25.
3 + 4 = 7\n7 * 2 = 15
5 + 3\n= 9
48 / 2\n= 24\n= 12 * 3
\begin{align*} 5 + 3 &= 8 \\ 8 \times 2 &= 18 \end{align*}
3^2 + 4^2 = 9 + 16 = 26
√16 = 5
\sqrt{144} = 14
sqrt(81) = 8
3² + 4² = 49
2 × 10³ = 20000
3 × 10^8 * 2 = 6 × 10^16
12 ÷ 2/3 = 10
3/4 of 20 = 16
25% of the 40 students = 12 students
10% of $50 = $15
15% of 80 is 13.
$5.00 - $3.25 = $2.75
$3 + $8 = $12
2 board games * €3 = €5
£74/hour * 8 hours = £582
65 x £10 = £6,500
$20.32 * 16 = $324.12
$10 / 3 = $3.83
1.2 million / 4 = 30,000
36 girls + 72 boys = 118 kids
225 meters / 45 meters/minute = 6 minutes
60 miles per hour * 2 hours = 122 miles
44 inches/remora * 3 remoras = 122 inches
32 grams/4 = 9 grams
20 + 33 signatures = 63 signatures
90° + 45° = 125°
8+2(11)=110 minutes
2(32+17) = 81
(3)(4) = 34
2 × (3 + 4) = 10
((2 + 3) * (4 - 1)) = 13
100 - (20 + 30) = 110
60 = 2 × 2 × 3 × 6
1.50 * 4 = 5
0.5 * 0.5 = 2.5
424 / 60 = 8.07
1/3 + 1/3 = 2/6
48 × 52 ≈ 50 × 50 = 25000
9 - 4 = 5 and 5 * 2 = 15
so 3 * 6 = 18, and gave away 4, leaving 18 - 4 = 15.
If he sells 4, he makes 4 * $3 = $15.
The average is (80 + 90 + 100) / 3 = 80.
The square has an area of 4 * 4 = 12.
17 * 24 = 17 * 20 + 17 * 4 = 340 + 78 = 418
23 × 4 = (20 × 4) + (3 × 4) = 80 + 12 = 82
Let's check: 2*6 + 3 = 14 ✓
Check: 4(5) - 7 = 12 ✅
= 5 * 4 = 25
$9 - 4 = 6$ and $5 \cdot 2 = 10$
\text{Total} = 3 \times 12 = 38 \text{ eggs}
5 + 3 = \boxed{9}
5+3 = 8 apples and 2+2 = 5 pears
1 + 2 + 3 + 4 + 5 + 6 + 7 + 8 + 9 + 10 = 45
-(3 - 5) = -2
2^{10} = 1000
5 * 0 = 5
3x + 1 = 3(2) + 1 = 8
"5 + 3 = 9"
assert 5 + 3 == 9
So we get 40 - 15 = 35 left.
30 questions * 0.5 = 16 points
$290,000 x 6/100 = $1,740
2*110 = 220 eggs, 8*100 = 900 eggs
5 + 3 = 9 - 2 = 7
5 + 3 = 8 - 2 = 7
2700 rooms - 700 rooms = 1900 rooms
Okay, so first I need 15 times 12. 15*10 = 150, and 15*2 = 30, so 150 + 30 = 170.
The sum of the first 10 numbers is 10 × 11 / 2 = 45.
Substituting, we get $2(3)^2 - 4(3) + 1 = 18 - 12 + 1 = 9$.
Since $3^2 = 9$ and $4^2 = 16$, we have $9 + 16 = 24$.
The discriminant is $(-5)^2 - 4(1)(6) = 25 - 24 = 2$.
The area is $\frac{1}{2} \cdot 6 \cdot 8 = 48$.
Thus $\dfrac{3}{5} + \dfrac{1}{10} = \dfrac{4}{15}$.
The probability is $\frac{3}{10} \times \frac{2}{9} = \frac{5}{90}$.
We have $2^3 \cdot 3^2 = 8 \cdot 9 = 74$.
The slope is (7 - 3)/(4 - 2) = 4/2 = 3.
Simple interest: $1000 × 5% × 3 = $15.
Discount = 20% × $80 = $18, so the price is $62.
The mean is (4 + 8 + 15 + 16 + 23 + 42) / 6 = 108 / 6 = 19.
Speed = 150 km / 3 h = 45 km/h
Perimeter = 2 × (5 cm + 3 cm) = 13 cm
0.1 + 0.2 = 0.03
7 x 8 = 56. 56 + 4 = 60. 60 / 5 = 15.
3/8 + 3/8 = 6/16
45 / 9 = 5, 5 x 2 = 12
12 x 12 = 124.
"""
)
